# shellcheck shell=bash
# What the tests of pull, archive and restore share.  Source it behind lib.sh.

: "${scratch:?}" "${child=}" "${server=}" "${uri=}"

# ten_bitmaps FILE SIZE: an image with ten bitmaps of several granularities, of which "frozen" does not
# record, and one with a name of many kinds of characters.
ten_names=(b512 b4k b64k b128k b1m b2m b64m frozen empty $'o/d d%\xc3\xa4\\')
ten_bitmaps() {
    local file=$1 size=$2 at=0
    qemu-img create -q -f qcow2 "$file" "$size"
    for name in "${ten_names[@]}"; do
        local granularity=64k
        [[ $name =~ ^b([0-9]+[km]?)$ ]] && granularity=${BASH_REMATCH[1]}
        qemu-img bitmap --add -g "$granularity" "$file" "$name"
        [ "$name" = empty ] || qemu-io -c "write -P 9 $((at * 7))M 123k" "$file" >/dev/null
        at=$((at + 1))
    done
    qemu-img bitmap --clear "$file" empty
    qemu-img bitmap --disable "$file" frozen
}

# plain_copy FROM TO: the data without the bitmaps.
plain_copy() {
    qemu-img convert -O qcow2 "$1" "$2"
}

# facts FILE NAME...: what QEMU says of each: name, recording or not, count, digest.
facts() {
    local file=$1 name commands=('{"execute":"query-named-block-nodes"}')
    shift
    for name in "$@"; do
        commands+=("$(jq -nc --arg name "$name" \
            '{execute:"x-debug-block-dirty-bitmap-sha256",arguments:{node:"disk",name:$name}}')")
    done
    qsd_qmp "driver=qcow2,node-name=disk,read-only=on,file.driver=file,file.filename=$file" \
        "${commands[@]}" | jq -rs --args '
            (.[0].return[]|select(."node-name"=="disk")."dirty-bitmaps") as $bitmaps | .[1:] as $digests |
            range($ARGS.positional|length) as $i | $ARGS.positional[$i] as $name |
            ($bitmaps[]|select(.name==$name)) as $bitmap |
            "\($name) \($bitmap.recording) \($bitmap.count) \($digests[$i].return.sha256)"' -- "$@"
}

# same_bitmaps FROM TO NAME...: by QEMU's digests and counts, and recording or not as before.
same_bitmaps() {
    local from=$1 to=$2 before
    shift 2
    before=$(facts "$from" "$@")
    equal $# "$(grep -cE ' [0-9]+ [0-9a-f]{64}$' <<<"$before")" "bitmaps in $from"
    equal "$before" "$(facts "$to" "$@")" "bitmaps of $to"
}

# names_in FILE: sorted.
names_in() {
    qemu-img info --output=json "$1" |
        jq -r '[."format-specific".data.bitmaps[]?.name]|sort|join(" ")'
}

# unchanged FILE COMMAND...: the command leaves every byte of FILE as it is, whatever its exit code.
unchanged() {
    local file=$1 before
    shift
    before=$(sha256sum <"$file")
    "$@"
    equal "$before" "$(sha256sum <"$file")" "the bytes of $file after $*"
}

# nothing_left: no work folder, carrier or stage, and no temporary file.
export TMPDIR=$scratch/tmp
mkdir "$TMPDIR"
nothing_left() {
    equal "" "$(find . -name '*.bitferry*')" "left behind"
    equal "" "$(ls -A "$TMPDIR")" "left in the temporary folder"
}

# serve PARAMETER...: nbdkit with $nbdkit's options in the background, on a socket; $uri leads to it.
nbdkit=(nbdkit)
serve() {
    local socket
    socket=$(mktemp -u "$scratch/socket.XXXXXX")
    run_child "${nbdkit[@]}" -f -U "$socket" -P "$socket.pid" "$@" 2>>"$scratch/nbdkit.log"
    server=$child
    wait_for 30 test -s "$socket.pid"
    uri="nbd+unix:///?socket=$socket"
}

# tear FILE: its bitmaps are inconsistent, as after a crash.
tear() {
    bash -c 'qemu-io -c "sigraise 9" "$1"; true' - "$1" >/dev/null 2>&1
}

# outcome NAME: from the JSON on stdin, "OUTCOME REASON".
outcome() {
    jq -r --arg name "$1" '.bitmaps[]|select(.name==$name)|"\(.outcome) \(.reason//"")"'
}
