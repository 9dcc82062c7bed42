#!/bin/bash
# More bitmaps than an NBD list may hold: the list is refused in words, everything else works.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/plugin_lib.sh"

cd "$scratch"
qemu-img create -q -f qcow2 disk.qcow2 64M
qsd_qmp driver=qcow2,node-name=disk,file.driver=file,file.filename=disk.qcow2 \
    "$(jq -nc '{execute:"transaction", arguments:{actions:[range(501) |
        {type:"block-dirty-bitmap-add", data:{node:"disk", name:"b\(.)", persistent:true}}]}}')" |
    grep -q return
disks=()
for i in {1..20}; do
    disks+=("image=vd$i=disk.qcow2")
done

serve "${disks[@]}"
refused '' 'an NBD list holds 10000 exports, here are 10020: .* choose bitmaps with bitmap=' \
    nbdinfo --list
equal 10020 "$(nbdcopy "$(uri '')" - | jq '[.disks[].bitmaps[] | select(.dirty_bytes==0)] | length')" \
    "bitmaps in the index"
equal "$(qemu_digest disk.qcow2 b500)" "$(digest vd20/b500)" "bits of the last one"
ok "10,020 bitmaps"
stop_serving

serve "${disks[@]}" bitmap=b7
equal 20 "$(nbdinfo --list --json "$(uri '')" | jq '.exports | length')" "exports with bitmap=b7"
refused vd1/b8 "no bitmap 'b8' of a disk 'vd1' is served"
ok "a choice of them"
stop_serving
