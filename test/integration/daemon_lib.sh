# shellcheck shell=bash
# What the tests of the daemons share.  Source it behind lib.sh.

: "${scratch:?}" "${BITFERRY:?}" "${BF_BUILD:?}" "${child=}"
export LC_ALL=C.UTF-8
uuid=11111111-2222-3333-4444-555555555555
socket=$scratch/run/control.sock

# configure [LINE...]: a configuration for bitferry-source in $scratch
configure() {
    {
        printf '[source]\nstate_dir = %s/state\nrun_dir = %s/run\nclient_patience_s = 1\n' \
            "$scratch" "$scratch"
        [ $# -eq 0 ] || printf '%s\n' "$@"
    } >"$scratch/conf"
}

# serve [VARIABLE=VALUE...]: the daemon with the test driver, until it is ready.  Its id is in $daemon, its
# log in $scratch/log.
serve() {
    : >"$scratch/log"
    run_child env "$@" "$BF_BUILD/test/daemon_with_driver" source --config "$scratch/conf" \
        2>>"$scratch/log"
    daemon=$child
    wait_for 30 grep -q 'ready at' "$scratch/log"
}

# ends_with STATUS: the daemon ends by itself, with this exit status
ends_with() {
    local status=0
    wait "$daemon" || status=$?
    equal "$1" "$status" "exit status of the daemon ($(cat "$scratch/log"))"
}

stop_daemon() {
    kill "$daemon"
    ends_with 0
    [ ! -e "$socket" ] || die "the socket is left"
}

kill_daemon() {
    kill -9 "$daemon"
    wait "$daemon" 2>/dev/null || true
}

# order COMMAND ARGUMENT...: bitferry COMMAND at this daemon
order() {
    local command=$1
    shift
    "$BITFERRY" "$command" --socket "$socket" "$@"
}

# begin VM [UUID]: a move; prints its id
begin() {
    order start --quiet --vm "$1" --uuid "${2:-$uuid}" --qmp /run/qmp.sock --peer host2
}

# raw LINE...: these lines to the socket, the answers to stdout
raw() {
    printf '%s\n' "$@" | timeout 30 nc -NU "$socket"
}

# state ID
state() {
    order status --json "$1" | jq -r '.moves[0].state'
}
