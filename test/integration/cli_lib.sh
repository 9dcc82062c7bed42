# shellcheck shell=bash
# What the tests of `bitferry` commands share.  Source it behind lib.sh.

: "${scratch:?}" "${BITFERRY:?}" "${child=}"
export LC_ALL=C.UTF-8 COLUMNS=80

# What a command leaves behind must lie here: clean_temp looks.
export TMPDIR=$scratch/tmp
mkdir -p "$TMPDIR"

clean_temp() {
    equal "" "$(ls -A "$TMPDIR")" "left in the temporary folder"
}

# serve_bitmaps ARGUMENT...: `bitferry serve` in the background.  Its id is in $server, the URI in $uri.
serve_bitmaps() {
    : >"$scratch/uri"
    # A script's background jobs ignore SIGINT, and bitferry lets it be so.
    run_child env --default-signal=INT "$BITFERRY" serve "$@" >"$scratch/uri"
    server=$child
    wait_for 30 grep -q . "$scratch/uri"
    uri=$(<"$scratch/uri")
}

# stop_serving [SIGNAL]
stop_serving() {
    local status=0
    kill -"${1:-TERM}" "$server"
    wait "$server" || status=$?
    equal 0 "$status" "exit status of serve"
}

# field PROGRAM COMMAND...: jq over the JSON that the command prints
field() {
    local program=$1
    shift
    "$@" | jq -r "$program"
}

# inconsistent FILE: leave the bitmaps of the image as a killed QEMU does
inconsistent() {
    (qemu-io -c 'write 0 0' -c abort "$1" || true) >/dev/null 2>&1
}
