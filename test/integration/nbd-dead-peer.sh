#!/bin/bash
# A peer that is not there, dies, stops or says nothing: the pull ends, in time, and leaves nothing open
# (nbd-tool checks uv_loop_close() every time).
. "$(dirname "$0")/lib.sh"

TOOL=$BF_BUILD/test/nbd-tool
LIAR=$BF_BUILD/test/nbd-liar
uri="nbd+unix:///x?socket=$scratch/socket"

# The pattern counts up from 0 in big-endian words of 8 bytes.
has_data() {
    [ "$(od -An -tx1 -N1 -j15 "$scratch/out" | tr -d ' ')" = 08 ]
}

# begin_slow_pull DEADLINE_MS: a pull in $pull, in the middle of its data, from a server in $server.
begin_slow_pull() {
    rm -f "$scratch/socket" "$scratch/pull"
    run_child nbdkit -f -U "$scratch/socket" pattern 64M --filter=rate rate=8M burstiness=1
    server=$child
    wait_for 10 test -S "$scratch/socket"
    run_child "$TOOL" pull "$uri" --deadline "$1" --into "$scratch/out" >"$scratch/pull" 2>&1
    pull=$child
    wait_for 10 grep -q begin "$scratch/pull"
    wait_for 10 has_data
}

# pull_ends CODE TEXT
pull_ends() {
    local status=0
    wait "$pull" || status=$?
    equal "$1" "$status" "exit of the pull ($(cat "$scratch/pull"))"
    grep -qE "$2" "$scratch/pull" || die "not '$2' but $(cat "$scratch/pull")"
}

fails_with 10 'PEER: .*No such file' "$TOOL" pull "$uri"
fails_with 10 'PEER: .*No such file' "$TOOL" list "$uri"
fails_with 10 'PEER: .*(refused|could not connect)' "$TOOL" pull nbd://127.0.0.1:1/
fails_with 10 'PEER: .*getaddrinfo' "$TOOL" pull nbd://no-such-host.invalid/
ok "a server that is not there"

begin_slow_pull 20000
kill -9 "$server"
pull_ends 10 "PEER: export 'x': "
ok "a server killed in the middle of the data"

begin_slow_pull 1000
kill -STOP "$server"
pull_ends 10 "DEADLINE: export 'x': .*nothing for 1.0 s"
kill -9 "$server"
ok "a server that was stopped"

begin_slow_pull 20000
kill -TERM "$pull"
pull_ends 1 "INTERRUPTED: export 'x': cancelled"
kill "$server" 2>/dev/null || true # an nbdkit 1.32 whose client goes may have aborted (raw_send_socket: sock >= 0)
ok "a pull cancelled in the middle of the data"

for place in greeting go status read; do
    for end in deadline cancel kill; do
        rm -f "$scratch/socket"
        run_child "$LIAR" "silent-$place" "$scratch/socket" >"$scratch/liar"
        server=$child
        wait_for 10 test -S "$scratch/socket"
        deadline=20000
        [ $end != deadline ] || deadline=300
        run_child "$TOOL" pull "$uri" --deadline $deadline >"$scratch/pull" 2>&1
        pull=$child
        wait_for 10 grep -q "at silent-$place" "$scratch/liar"
        case $end in
        deadline) pull_ends 10 "DEADLINE: export 'x': .*nothing for 0.3 s" ;;
        cancel)
            kill -TERM "$pull"
            pull_ends 1 "INTERRUPTED: export 'x': cancelled"
            ;;
        kill)
            kill -9 "$server"
            pull_ends 10 "PEER: export 'x': "
            ;;
        esac
        kill -9 "$server" 2>/dev/null || true
    done
    ok "$place: silent, cancelled, dead"
done

rm -f "$scratch/socket"
run_child "$LIAR" silent-greeting "$scratch/socket" >/dev/null
wait_for 10 test -S "$scratch/socket"
fails_with 10 'DEADLINE: ' "$TOOL" list "$uri" --deadline 300
kill -9 "$child"
ok "a list has a deadline too"
