#!/bin/bash
# Many clients and connections at a time, and nbdkit's own filters in between: always the same bits.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/plugin_lib.sh"

cd "$scratch"
# 8 MiB of bits: some clusters mixed, some full, most clean.
writes=()
for i in {0..40}; do
    writes+=(-c "write -z $((i * 6))G $((i * 3 + 1))M")
done
dirty_image disk.qcow2 256G b 4k
qemu-io "${writes[@]}" -c 'write -z 252G 2047M' disk.qcow2 >/dev/null
expected=$(qemu_digest disk.qcow2 b)

serve disk.qcow2
nbdinfo --can multi-conn "$(uri disk/b)" || die "no multi-conn"
nbdinfo --is read-only "$(uri disk/b)" || die "not read-only"
nbdcopy --connections=4 --requests=16 --request-size=65536 "$(uri disk/b)" bits
equal "$expected" "$(sha256sum <bits | cut -d ' ' -f 1)" "bits over four connections"
nbdcopy --connections=4 --no-extents "$(uri disk/b)" bits
equal "$expected" "$(sha256sum <bits | cut -d ' ' -f 1)" "bits without asking for holes"
nbdcopy --synchronous "$(uri disk/b)" bits
equal "$expected" "$(sha256sum <bits | cut -d ' ' -f 1)" "bits one request at a time"
ok "several connections"

readers=()
for i in {1..8}; do
    nbdcopy "$(uri disk/b)" "bits.$i" &
    readers+=($!)
    nbdcopy "$(uri disk/b.qcow2)" "view.$i" &
    readers+=($!)
    nbdcopy "$(uri '')" "index.$i" &
    readers+=($!)
done
for reader in "${readers[@]}"; do
    wait "$reader" || die "a reader failed: $(cat "$log")"
done
equal 1 "$(sha256sum view.* | cut -d ' ' -f 1 | sort -u | wc -l)" "contents of the views"
equal "$expected" "$(sha256sum bits.* | cut -d ' ' -f 1 | sort -u)" "bits of eight readers"
equal "$expected" "$(qemu_digest view.1 b)" "digest of a view that was copied"
equal "$expected" "$(cat index.* | jq -r '.disks[0].bitmaps[0].sha256' | sort -u)" "digest in the indexes"
ok "readers beside each other"
stop_serving

# through OPTION...: nbdkit with these options serves the same.
through() {
    nbdkit=(nbdkit "$@")
    serve disk.qcow2 ${parameters[@]+"${parameters[@]}"}
    equal "$expected" "$(digest disk/b)" "bits through $*"
    nbdcopy "$(uri disk/b.qcow2)" view
    equal "$expected" "$(qemu_digest view b)" "view through $*"
    equal disk/b "$(nbdinfo --list --json "$(uri '')" | jq -r '.exports[]."export-name"')" \
        "list through $*"
}
parameters=(rate=1G)
through --filter=rate
stop_serving
parameters=()
through --filter=cache
stop_serving
through --filter=readahead
stop_serving
parameters=("statsfile=$scratch/stats")
through --filter=stats
stop_serving
grep -q '^read: [1-9]' stats || die "the stats filter counted nothing: $(cat stats)"
parameters=()
through --filter=blocksize-policy
stop_serving
through --no-sr
stop_serving
ok "nbdkit's filters, and a client without structured replies"

nbdkit=(nbdkit --filter=exitlast)
serve disk.qcow2
equal "$expected" "$(digest disk/b)" "bits through exitlast"
wait "$server" || die "nbdkit did not end well: $?"
ok "--filter=exitlast ends with its last client"
