# shellcheck shell=bash
# What the plugin tests share.  Source it behind lib.sh.

: "${scratch:?}" "${child=}"
log=$scratch/nbdkit.log
nbdkit=(nbdkit) # what starts the server, and its options

# serve PARAMETER...: nbdkit with the plugin in the background, on the socket $socket; what it says goes
# to $log.  Its id is in $server.
serve() {
    socket=$(mktemp -u "$scratch/socket.XXXXXX")
    run_child "${nbdkit[@]}" -f -U "$socket" -P "$socket.pid" "$PLUGIN" "$@" 2>>"$log"
    server=$child
    wait_for 30 test -s "$socket.pid"
}

stop_serving() {
    kill "$server"
    wait "$server" || die "nbdkit ends with $?: $(cat "$log")"
}

# uri EXPORT
uri() {
    printf 'nbd+unix:///%s?socket=%s' "$(jq -rn --arg name "$1" '$name | @uri')" "$socket"
}

# digest EXPORT: of the packed bits as a client gets them.
digest() {
    nbdcopy "$(uri "$1")" - | sha256sum | cut -d ' ' -f 1
}

# refused EXPORT REASON [COMMAND...]: the client fails, and the server's log says why.
refused() {
    local export=$1 reason=$2
    shift 2
    : >"$log"
    ! "${@:-nbdinfo}" "$(uri "$export")" >"$scratch/.client" 2>&1 || die "'$export' was not refused"
    grep -qE "error: .*$reason" "$log" || die "the log does not say '$reason': $(cat "$log")"
}
