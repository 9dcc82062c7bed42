#!/bin/bash
# What takes longer than a hook may: it ends all the same, and the daemon is told a moment later.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/daemon_lib.sh"
. "$(dirname "$0")/hook_lib.sh"

mkdir -p "$BITFERRY_RUN_DIR"
configure "run_dir = $BITFERRY_RUN_DIR/source"
sed -i "0,/^run_dir/{/^run_dir/d}" "$scratch/conf"
socket=$BITFERRY_RUN_DIR/source/control.sock
serve

# nobody_left: no hook is at work any more
nobody_left() {
    ! pgrep -f "^$hook " >/dev/null
}

# heard VM: the daemon has
heard() {
    grep -q "a hook tells 'migrate begin' of $1 ($uuid)" "$scratch/log"
}

half() {
    rm -f "$scratch/fifo"
    mkfifo "$scratch/fifo"
    exec {late}<>"$scratch/fifo"
    printf '%s' "${domain:0:40}" >&"$late"
    called migrate begin late <&"$late"
}
quick half
! heard late || die "the daemon has heard of it before the XML was there"
printf '%s' "${domain:40}" >&"$late"
exec {late}<&-
wait_for 10 heard late
wait_for 10 nobody_left
ok "XML that comes late: the hook has ended, and the daemon is told"

stop_daemon
mkdir -p "$BITFERRY_RUN_DIR/source"
restarted() {
    called migrate begin restarted <<<"$domain"
}
quick restarted
serve
wait_for 10 heard restarted
wait_for 10 nobody_left
equal "" "$(cat "$scratch/said")" "what the hook says"
ok "a daemon that is being restarted is told when it is there"

stop_daemon
rm -rf "$BITFERRY_RUN_DIR/source"
called migrate begin <<<"$domain"
wait_for 10 nobody_left
grep -q 'no daemon could be told' "$scratch/said" || die "no warning"
ok "where no daemon runs nothing is waited for"
