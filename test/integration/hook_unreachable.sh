#!/bin/bash
# No daemon, or one that hangs: the hook ends with 0, quickly, and the system's log has a warning.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hook_lib.sh"

migrate() {
    called migrate begin <<<"$domain"
}

quick migrate
grep -q "no daemon could be told of 'migrate begin' of the VM web" "$scratch/said" || die "no warning"
ok "no daemon: 0, quickly, with a warning"

# nc cannot show a datagram of a sender without a name; strace shows that it was delivered.
nc -ulU "$scratch/syslog" >/dev/null 2>&1 &
bf_children+=("$!")
wait_for 10 test -S "$scratch/syslog"
# shellcheck disable=SC2016 # expanded inside
unshare --mount bash -c '
    mount -t tmpfs none /dev
    mknod -m 666 /dev/null c 1 3
    ln -s "$1" /dev/log
    ASAN_OPTIONS=detect_leaks=0 strace -f -o "$2" -e trace=sendto "$3" web migrate begin -' \
    in-private "$scratch/syslog" "$scratch/trace" "$hook" <<<"$domain" 2>/dev/null
grep -qE 'sendto\(.*"<28>bitferry-hook: no daemon .* = [1-9][0-9]+$' "$scratch/trace" || die "$(cat "$scratch/trace")"
ok "the system's log gets it"

mkdir -p "$BITFERRY_RUN_DIR/source" "$BITFERRY_RUN_DIR/dest"
for role in source dest; do
    nc -lkU "$BITFERRY_RUN_DIR/$role/control.sock" >/dev/null &
    bf_children+=("$!")
    wait_for 10 test -S "$BITFERRY_RUN_DIR/$role/control.sock"
    kill -STOP "$!"
    stopped+=("$!")
done
for attempt in $(seq 20); do # more than fit into the backlog of one that takes no connection
    quick migrate
done
kill -CONT "${stopped[@]}"
ok "daemons that hang: 0, quickly"
