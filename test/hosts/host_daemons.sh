#!/usr/bin/env bash
# host_daemons.sh start|stop|kill|restart DAEMON...: inside a host, its libvirtd, bitferry-source and
# bitferry-dest.  `start` returns when they answer.  QEMUs go on without their libvirtd.
set -euo pipefail

pid_of() {
    cat "/run/hosts/$1.pid" 2>/dev/null
}

# As its configuration has it
dest_run_dir() {
    "$BF_BUILD/bitferry-dest" --check-config | sed -n 's/^run_dir = //p'
}

answers() {
    case $1 in
    libvirtd) virsh -c qemu:///system version >/dev/null 2>&1 ;;
    bitferry-source) "$BF_BUILD/bitferry" list --socket /run/bitferry/source/control.sock >/dev/null 2>&1 ;;
    bitferry-dest) "$BF_BUILD/bitferry" list --socket "$(dest_run_dir)/control.sock" >/dev/null 2>&1 ;;
    *)
        printf 'unknown daemon: %s\n' "$1" >&2
        exit 2
        ;;
    esac
}

command_of() {
    case $1 in
    libvirtd) printf '%s\n' libvirtd --listen ;;
    *) printf '%s\n' "$BF_BUILD/$1" ;;
    esac
}

start() {
    local command end=$((SECONDS + 60))
    mapfile -t command < <(command_of "$1")
    setsid "${command[@]}" >>"/var/log/$1.log" 2>&1 </dev/null &
    printf '%s\n' "$!" >"/run/hosts/$1.pid"
    until answers "$1"; do
        [ -e "/proc/$!" ] && [ "$SECONDS" -lt "$end" ] || {
            printf '%s does not answer:\n' "$1" >&2
            tail -n 20 "/var/log/$1.log" >&2
            exit 1
        }
        sleep 0.05
    done
}

# finish SIGNAL DAEMON
finish() {
    local pid
    pid=$(pid_of "$2") || return 0
    kill "-$1" "$pid" 2>/dev/null || true
    while [ -e "/proc/$pid" ]; do
        sleep 0.02
    done
    rm -f "/run/hosts/$2.pid"
}

mkdir -p /run/hosts
action=$1
shift
for daemon in "$@"; do
    case $action in
    start) start "$daemon" ;;
    stop) finish TERM "$daemon" ;;
    kill) finish KILL "$daemon" ;;
    restart)
        finish TERM "$daemon"
        start "$daemon"
        ;;
    *)
        printf 'start, stop, kill or restart, not %s\n' "$action" >&2
        exit 2
        ;;
    esac
done
