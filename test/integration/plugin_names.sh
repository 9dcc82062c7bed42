#!/bin/bash
# Bitmap names are free bytes; every one has an export of its own, and what the list says can be opened.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/plugin_lib.sh"

cd "$scratch"
long=$(printf 'n%.0s' {1..1023})
names=(plain plain.qcow2 'a/b' 'a%2Fb' '100%' 'ünï çödé' 'sp ace' .qcow2 "q'uo\"te" "$long")
exports=(plain 'plain%2Eqcow2' 'a%2Fb' 'a%252Fb' '100%25' 'ünï çödé' 'sp ace' '%2Eqcow2' "q'uo\"te"
    "$long")
for i in "${!names[@]}"; do
    # A block of its own for each.
    dirty_image disk.qcow2 16M "${names[i]}" 64k "$((i * 64))k" 64k
done
serve 'Diskette Ä=disk.qcow2'

nbdinfo --list --json "$(uri '')" | jq -r '.exports[]."export-name"' >listed
printf 'Diskette Ä/%s\n' "${exports[@]}" | diff - listed >&2 || die "names in the list (<: expected)"
ok "every name is encoded in its one way"

for i in "${!names[@]}"; do
    want=$(qemu_digest disk.qcow2 "${names[i]}")
    equal "$want" "$(digest "Diskette Ä/${exports[i]}")" "bits of '${names[i]:0:40}'"
    view=$(uri "Diskette Ä/${exports[i]}.qcow2")
    equal "${names[i]}" "$(qemu-img info --output=json "$view" |
        jq -r '."format-specific".data.bitmaps[0].name')" "name in the view of '${names[i]:0:40}'"
done
equal ${#names[@]} "$(for i in "${exports[@]}"; do digest "Diskette Ä/$i"; done | sort -u | wc -l)" \
    "digests that differ"
ok "bits and views of every name are those of its bitmap"

for wrong in 'Diskette Ä/' 'Diskette%20Ä' 'Diskette Ä/a/b' 'Diskette Ä/pl%61in' \
    'Diskette Ä/100%' 'Diskette Ä/a%2fb' '/plain'; do
    refused "$wrong" 'is not the name of an export of bitmaps'
done
refused 'Diskette Ä/nope' "no bitmap 'nope' of a disk 'Diskette Ä' is served"
refused plain "no disk 'plain' is served"
refused 'disk/plain' "no bitmap 'plain' of a disk 'disk' is served"
ok "no other name opens anything"
stop_serving

# QEMU's command line takes any bytes; a name that is not UTF-8 is encoded, and told in hex.
qemu-img create -q -f qcow2 bytes.qcow2 16M
qemu-img bitmap --add bytes.qcow2 $'caf\xe9'
serve bytes.qcow2
equal 'bytes/caf%E9' "$(nbdinfo --list --json "$(uri '')" | jq -r '.exports[]."export-name"')" \
    "name that is not UTF-8"
equal '["caf?","636166e9"]' "$(nbdcopy "$(uri '')" - | jq -c '.disks[0].bitmaps[0] | [.name, .name_hex]')" \
    "name that is not UTF-8 in the index"
equal 32 "$(nbdinfo --size "$(uri 'bytes/caf%E9')")" "size of its bits"
ok "a name that is not UTF-8"
stop_serving
