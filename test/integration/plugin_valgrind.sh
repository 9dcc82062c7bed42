#!/bin/bash
# A session under valgrind: no invalid access, nothing uninitialised sent, nothing leaked.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/plugin_lib.sh"

cd "$scratch"
dirty_image disk.qcow2 10G b 4k 0 1M 5G 64k
dirty_image tiny.qcow2 512 one 64k 0 512
# nbdkit 1.42 itself loses a string (an export name) for every client.
cat >nbdkit.supp <<'EOT'
{
   strings that nbdkit copies and loses
   Memcheck:Leak
   match-leak-kinds: definite
   fun:malloc
   fun:strndup
   obj:*/nbdkit
}
EOT
nbdkit=(valgrind --quiet --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite
    --show-leak-kinds=definite --suppressions=nbdkit.supp nbdkit)
serve disk.qcow2 tiny.qcow2

equal "$(qemu_digest disk.qcow2 b)" "$(digest disk/b)" "bits"
equal "$(qemu_digest disk.qcow2 b)" "$(digest disk)" "all bits of the disk"
nbdcopy "$(uri disk/b.qcow2)" view
qemu-img check -q view
nbdinfo --list "$(uri '')" >/dev/null
nbdinfo --map "$(uri disk/b)" >/dev/null
nbdcopy "$(uri '')" - | jq -e .schema >/dev/null
refused disk/nope "no bitmap 'nope'"
touch disk.qcow2
refused disk/b 'disk.qcow2'
stop_serving
ok "valgrind has nothing to say"

fails_with 1 'error' "${nbdkit[@]}" -U - "$PLUGIN" disk.qcow2 image=x=disk.qcow2 bitmap=nope --run true
ok "nor when the parameters are bad"
