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
    local socket=$scratch/killed.sock
    qemu-storage-daemon --blockdev "driver=qcow2,node-name=d,file.driver=file,file.filename=$1" \
        --chardev "socket,id=m,path=$socket,server=on,wait=off" --monitor chardev=m &
    local pid=$!
    wait_for 30 test -S "$socket"
    # The socket is there before the image is open; the greeting is not.
    python3 -c 'import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.recv(1)' "$socket"
    kill -9 "$pid"
    wait "$pid" 2>/dev/null || true
    rm -f "$socket"
}
