#!/bin/bash
# A server that lies is caught; one that is merely unusual is understood.
. "$(dirname "$0")/lib.sh"

TOOL=$BF_BUILD/test/nbd-tool
LIAR=$BF_BUILD/test/nbd-liar

# lie MODE: a liar on $uri, in $child.
lie() {
    rm -f "$scratch/socket"
    run_child "$LIAR" "$1" "$scratch/socket" >"$scratch/liar"
    wait_for 10 test -S "$scratch/socket"
}
uri="nbd+unix:///x?socket=$scratch/socket"

caught() {
    lie "$1"
    fails_with "$2" "$3" "$TOOL" "${4:-pull}" "$uri"
    ok "$1 ends with $(cat "$scratch/.said")"
}

head -c 1M /dev/zero | tr '\0' '\245' >"$scratch/expected"
for mode in honest status-crumbs; do
    lie "$mode"
    "$TOOL" pull "$uri" --into "$scratch/out" >/dev/null
    cmp "$scratch/expected" "$scratch/out"
    ok "$mode is understood"
done

lie status-long
"$TOOL" pull "$uri" >"$scratch/said"
grep -q "data=$((96 << 20)) hole=0" "$scratch/said" || die "$(cat "$scratch/said")"
ok "a last extent that is longer than asked is cut off"

caught status-empty 10 'PROTOCOL: .*empty extent at offset 0'
# (libnbd 1.22 finds this one itself)
caught status-outside 10 \
    'PROTOCOL: .*extent of 1049088 bytes at offset 0 of an export of 1048576|PEER: .*block status.*Protocol error'
caught status-twice 10 'PROTOCOL: .*twice'
caught status-nothing 10 'PROTOCOL: .*says nothing'
caught status-context 10 'PROTOCOL: .*says nothing'
caught status-error 10 'PEER: .*could not tell the block status'
caught read-short 10 'PROTOCOL: .*sent 131072 of 262144 bytes at offset 0'
caught read-overlong 10 '(PEER|PROTOCOL): '
caught read-garbage 10 '(PEER|PROTOCOL): '
caught read-die 10 'PEER: .*socket: (recv|send|server disconnected|the server closed)'
caught size-negative 10 'PROTOCOL: .*no usable size'
caught size-huge 15 'LIMIT: .*4611686018427387904' fetch
caught list-endless 15 'LIMIT: .*more than 100000 exports' list
caught go-policy 10 "PEER: export 'x': .*policy"
