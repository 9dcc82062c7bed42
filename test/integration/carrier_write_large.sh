#!/bin/bash
# A bitmap of the largest kind, 512 MiB of bits, all of them data, goes through writer and view in bounded
# memory.
. "$(dirname "$0")/lib.sh"

make=$BF_BUILD/test/carrier-make
max_kib=65536

# bounded EXPECTED: the tool's largest memory was within the limit.
bounded() {
    local peak
    peak=$(awk '$1=="peak" {print $2}' "$1")
    [ "$peak" -lt "$max_kib" ] || die "$peak KiB resident, more than $max_kib"
}

digest() {
    awk '$1=="b" {print $2}' "$1"
}

"$make" carrier "$scratch/c.qcow2" 16T b 4K recording alternate >"$scratch/carrier"
bounded "$scratch/carrier"
equal "$(digest "$scratch/carrier")" "$(qemu_digest "$scratch/c.qcow2" b)" "digest of the carrier"
rm "$scratch/c.qcow2"
ok "512 MiB of bits written in bounded memory"

"$make" view "$scratch/v.qcow2" 16T b 4K recording alternate >"$scratch/view"
bounded "$scratch/view"
equal "$(digest "$scratch/view")" "$(digest "$scratch/carrier")" "digest of the pattern"
equal "$(digest "$scratch/view")" "$(qemu_digest "$scratch/v.qcow2" b)" "digest of the view"
ok "512 MiB of bits viewed in bounded memory"
