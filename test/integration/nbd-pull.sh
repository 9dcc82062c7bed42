#!/bin/bash
# Pulling, fetching and listing from real servers: what arrives is what was served, whatever the server
# can do, and what it must not be asked is not asked.
# shellcheck disable=SC2016 # $uri and the like are for the shells that nbdkit starts
. "$(dirname "$0")/lib.sh"

TOOL=$BF_BUILD/test/nbd-tool

# serve ARGUMENTS-OF-NBDKIT... -- COMMAND...: run the command with $uri set while nbdkit serves.
serve() {
    local arguments=()
    while [ "$1" != -- ]; do
        arguments+=("$1")
        shift
    done
    shift
    command=$(printf '%q ' "$@") nbdkit -U - "${arguments[@]}" --run 'export uri; bash -c "$command"'
}

arrives_whole() {
    serve "$@" -- bash -c '"$0" pull "$uri" --into "$1"' "$TOOL" "$scratch/out" >"$scratch/said" ||
        die "the pull from $* failed"
    cmp "$scratch/image" "$scratch/out" || die "other bytes arrived from $*"
}

# fails CODE TEXT ARGUMENTS-OF-NBDKIT... -- ARGUMENTS-OF-NBD-TOOL...
fails() {
    local code=$1 text=$2 arguments=()
    shift 2
    while [ "$1" != -- ]; do
        arguments+=("$1")
        shift
    done
    shift
        fails_with "$code" "$text" serve "${arguments[@]}" -- \
        bash -c 'tool=$0 command=$1; shift; "$tool" "$command" "$uri" "$@"' "$TOOL" "$@"
}

for size in 0 1 511 512 262143 262144 262145 8000001 20M; do
    head -c "$size" /dev/urandom >"$scratch/image"
    arrives_whole file "$scratch/image"
done
ok "exports of any size arrive whole"

arrives_whole file "$scratch/image" --no-sr
grep -q "data=20971520 hole=0" "$scratch/said" || die "$(cat "$scratch/said")"
arrives_whole file "$scratch/image" --filter=noextents
ok "a server without structured replies or extents is read whole"

arrives_whole file "$scratch/image" --filter=blocksize-policy \
    blocksize-minimum=4096 blocksize-maximum=65536 blocksize-error-policy=error
grep -q "calls=320" "$scratch/said" || die "$(cat "$scratch/said")"
ok "the server's block sizes are kept"

# Four requests at the front are slow, so the others answer before them.
arrives_whole eval get_size="stat -c %s $scratch/image" thread_model='echo parallel' \
    pread='[ "$4" -ge 1048576 ] || sleep 0.2
           dd if='"$scratch/image"' iflag=skip_bytes,count_bytes skip="$4" count="$3" status=none'
ok "answers out of order are put in order"

truncate -s 0 "$scratch/image"
truncate -s 300M "$scratch/image"
for at in 0 1 70 127 128 255; do
    dd if=/dev/urandom of="$scratch/image" bs=64K count=1 seek=$((at * 16)) conv=notrunc status=none
done
arrives_whole file "$scratch/image"
grep -q "data=393216 hole=314179584" "$scratch/said" || die "$(cat "$scratch/said")"
ok "holes are skipped and data behind them arrives in its place"

# ranges OFFSET+BYTES... -- ARGUMENTS-OF-NBDKIT...: what is pulled is these parts of the image, joined.
ranges() {
    local options=()
    : >"$scratch/expected"
    while [ "$1" != -- ]; do
        options+=(--range "$1")
        dd if="$scratch/image" iflag=skip_bytes,count_bytes skip="${1%+*}" count="${1#*+}" \
            status=none >>"$scratch/expected"
        shift
    done
    shift
    serve "$@" -- bash -c '"$0" pull "$uri" --into "$@"' "$TOOL" "$scratch/out" "${options[@]}" \
        >"$scratch/said" || die "the pull of ${options[*]} from $* failed"
    truncate -s "$(stat -c %s "$scratch/expected")" "$scratch/out" # it had the export's size
    cmp "$scratch/expected" "$scratch/out" || die "other bytes arrived of ${options[*]} from $*"
}
for no_extents in '' --filter=noextents; do
    ranges 0+1 1+9 65535+2 1000000+3000000 200000000+50000000 314572799+1 -- \
        $no_extents file "$scratch/image"
    ranges 0+314572800 -- $no_extents file "$scratch/image"
    ranges 73400320+65536 -- $no_extents file "$scratch/image"
done
ranges 4718592+4096 73400320+4096 -- file "$scratch/image"
grep -q "data=4096 hole=4096" "$scratch/said" || die "$(cat "$scratch/said")"
ok "of ranges nothing else is read"

serve memory 8G --filter=error error-pread=EIO error-pread-rate=100% -- \
    bash -c '"$0" pull "$uri"' "$TOOL" >"$scratch/said"
grep -q "data=0 hole=8589934592" "$scratch/said" || die "$(cat "$scratch/said")"
ok "nothing is read of an export that is all zero, of 8 GiB too"

# Unallocated, but it does not read as zeroes: nbdkit gives the pattern.
printf '0 1M hole\n1M 2M zero\n' >"$scratch/extents"
serve pattern 3M --filter=extentlist extentlist="$scratch/extents" -- \
    bash -c '"$0" pull "$uri"' "$TOOL" >"$scratch/said"
grep -q "data=1048576 hole=2097152" "$scratch/said" || die "$(cat "$scratch/said")"
ok "a hole that does not promise zeroes is read"

rm "$scratch/image" "$scratch/out"
serve pattern 600M -- bash -c '"$0" pull "$uri"' "$TOOL" >"$scratch/said"
rss=$(sed -n 's/.* rss=//p' "$scratch/said")
[ "$rss" -lt 65536 ] || die "$rss KiB resident for an export of 600 MiB"
ok "memory does not grow with the export ($rss KiB)"

for name in plain disk/bitmap '100%' '%25' 'a b' 'ünï/€' '/lead' 'q?x=1&y#z' '..' "it's"; do
        serve info exportname -- bash -c '
        asked=$("$0" uri "$uri" --export "$1")
        "$0" fetch "$asked" | cmp - <(printf %s "$1") || exit 1     # as the URI names it
        "$0" fetch "$uri" --export "$1" | cmp - <(printf %s "$1") || exit 2
        [ "$(nbdinfo --json "$asked" | jq -r ".exports[0].\"export-name\"")" = "$1" ] || exit 3
    ' "$TOOL" "$name" || die "the export '$name' is not reached ($?)"
done
ok "any export name reaches the server as it is"

exports='echo INTERLEAVED; printf "disk/one\nthe first\ndisk/100%%\n\nünï €\n3\n"'
serve eval list_exports="$exports" get_size='echo 1' pread='printf x' -- \
    bash -c '"$0" list "$uri"; nbdinfo --list --json "$uri" >"$1"' "$TOOL" "$scratch/json" \
    >"$scratch/list"
equal "$(printf 'disk/one\tthe first\ndisk/100%%\t\nünï €\t3')" "$(cat "$scratch/list")" "list"
equal "$(jq -r '.exports[]."export-name"' "$scratch/json")" "$(cut -f1 "$scratch/list")" \
    "what nbdinfo lists"
ok "the list has names and descriptions"

only_known='[ "$3" = known ] || { echo "ENOENT no $3" >&2; exit 1; }'
fails 1 "NOT_FOUND: export 'not/there': .*no such export" \
    eval open="$only_known" get_size='echo 1' pread='printf x' -- pull --export not/there
fails 10 "PEER: .*could not read 262144 bytes at offset .*Input/output error" \
    pattern 20M --filter=error error-pread=EIO error-pread-rate=0.1 -- pull
fails 10 'PEER: .*could not tell the block status of offset 0' \
    memory 1M --filter=error error-extents=EIO error-extents-rate=100% -- pull
fails 15 'LIMIT: .*1048577 bytes; no more than 1048576' memory 1048577 -- fetch
fails 10 'PROTOCOL: .*old handshake' -o memory 1M -- pull
fails 15 'UNSUPPORTED: .*old handshake' -o memory 1M -- list
fails 10 'PROTOCOL: .*1048576 bytes, and 1048577 are expected' memory 1M -- \
    pull --range 1048575+2
fails 1 'INVALID: .*not in order' memory 1M -- pull --range 4096+1 --range 0+1
for place in begin data hole; do
    fails 15 "LIMIT: export '': the sink refuses at $place" \
        data '@1048576 1 @2097152' -- pull --refuse $place
done
for place in start begin data; do
    fails 1 "INTERRUPTED: export '': cancelled" pattern 20M -- pull --cancel $place
done
ok "failures of the server and of the receiver end the pull by name"
