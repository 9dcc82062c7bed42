#!/bin/bash
# `bitferry archive` and `restore`: bitmaps kept outside the images, and a damaged archive refused.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli_carry_lib.sh"

cd "$scratch"
ten_bitmaps vda.qcow2 1G
plain_copy vda.qcow2 plain.qcow2
dirty_image vdb.qcow2 64M monday 64k 1M 1M
tear vdb.qcow2
qemu-img bitmap --add -g 4k vdb.qcow2 tuesday
qemu-img create -q -f qcow2 none.qcow2 64M

"$BITFERRY" archive vda.qcow2 --to one >said
equal 10 "$(grep -c 'archived$' said)" "bitmaps archived"
equal "SHA256SUMS manifest.json manifest.pb vda.carrier.qcow2" "$(cd one && echo *)" "files"
(cd one && sha256sum --quiet --strict -c SHA256SUMS) || die "sha256sum does not agree"
qemu-img check -q one/vda.carrier.qcow2 || die "check of the carrier"
same_bitmaps vda.qcow2 one/vda.carrier.qcow2 "${ten_names[@]}"
protoc-c --decode=bitferry.Manifest -I "$BF_SOURCE/proto" manifest.proto <one/manifest.pb >decoded
equal 10 "$(grep -c 'bitmaps {' decoded)" "bitmaps in manifest.pb"
equal "$(facts vda.qcow2 "${ten_names[@]}" | sort)" \
    "$(jq -r '.disks[0].bitmaps[]|"\(.name) \(.recording) \(.dirty_bytes) \(.sha256)"' \
        one/manifest.json | sort)" "manifest.json"
nothing_left
ok "an archive holds what QEMU says of the image"

cp plain.qcow2 image.qcow2
qemu-img bitmap --add --merge b64k -b one/vda.carrier.qcow2 -F qcow2 image.qcow2 b64k
equal "$(qemu_digest vda.qcow2 b64k)" "$(qemu_digest image.qcow2 b64k)" "restored by qemu-img"
ok "qemu-img restores from it without bitferry"

cp plain.qcow2 image.qcow2
unchanged image.qcow2 "$BITFERRY" restore one --into image.qcow2 --dry-run >said
equal 10 "$(grep -c 'planned$' said)" "bitmaps planned"
"$BITFERRY" restore one --into image.qcow2 >said
equal 10 "$(grep -c 'installed, proven by QEMU$' said)" "bitmaps installed"
same_bitmaps vda.qcow2 image.qcow2 "${ten_names[@]}"
unchanged image.qcow2 fails_with 4 "already has a bitmap" "$BITFERRY" restore one --into image.qcow2
"$BITFERRY" restore one --into image.qcow2 --replace >/dev/null
"$BITFERRY" restore one --into image.qcow2 -b b4k --as again -g 64k --json >said
equal "superset " "$(outcome b4k <said)" "outcome"
equal again "$(jq -r '.bitmaps[0].as' said)" "name"
"$BITFERRY" verify vda.qcow2 image.qcow2 -b b4k --as again >/dev/null || die "not covered"
qemu-img check -q image.qcow2 || die "check"
nothing_left
ok "restore puts them back"

fails_with 3 "Dropped: vdb/monday, BITMAP_INCONSISTENT" \
    "$BITFERRY" archive vda.qcow2 vdb.qcow2 none.qcow2 --to two
equal "SHA256SUMS manifest.json manifest.pb vda.carrier.qcow2 vdb.carrier.qcow2" "$(cd two && echo *)" \
    "files of two disks"
plain_copy vdb.qcow2 copy.qcow2
fails_with 2 "3 disks .*--disk" "$BITFERRY" restore two --into copy.qcow2
fails_with 3 "Dropped: vdb/monday, BITMAP_INCONSISTENT" \
    "$BITFERRY" restore two --into copy.qcow2 --disk vdb
equal tuesday "$(names_in copy.qcow2)" "bitmaps"
fails_with 4 "disk 'none' has no bitmap" "$BITFERRY" restore two --into copy.qcow2 -d none
fails_with 15 "smaller image" "$BITFERRY" restore two --into copy.qcow2 -d vda
fails_with 3 '"exit": 3' "$BITFERRY" archive vdb.qcow2 --to three --json
equal "dropped BITMAP_INCONSISTENT archived " "$(outcome monday <.said) $(outcome tuesday <.said)" "JSON"
ok "several disks; what is inconsistent is dropped aloud, when archived and when restored"

fails_with 4 "Dropped: vdb/monday" "$BITFERRY" archive vdb.qcow2 --bitmap monday --to four
fails_with 4 "no bitmap to archive" "$BITFERRY" archive none.qcow2 --to four
fails_with 4 "no image has a bitmap 'nosuch'" "$BITFERRY" archive vda.qcow2 -b nosuch --to four
fails_with 2 "two images are named 'vda'" "$BITFERRY" archive vda.qcow2 ./vda.qcow2 --to four
fails_with 1 "is not empty" "$BITFERRY" archive vda.qcow2 --to one
fails_with 1 "no folder" "$BITFERRY" archive vda.qcow2 --to plain.qcow2
fails_with 1 "nosuch" "$BITFERRY" archive vda.qcow2 --to nosuch/four
run_child qemu-storage-daemon --pidfile "$scratch/vm.pid" \
    --blockdev driver=qcow2,node-name=d,file.driver=file,file.filename=none.qcow2
wait_for 30 test -s vm.pid
fails_with 11 "in use|used by" "$BITFERRY" archive vda.qcow2 none.qcow2 --to four
kill "$child"
wait "$child" || true
[ ! -e four ] || die "a folder was made"
nothing_left
mkdir empty
"$BITFERRY" archive vda.qcow2 --bitmap b64k --to empty/ >/dev/null
equal b64k "$(names_in empty/vda.carrier.qcow2)" "the chosen one"
ok "what cannot be archived leaves no folder; an empty folder will do"

# damaged WHAT-IT-SAYS COMMAND...: after the command has changed ./bad, restore refuses it.
damaged() {
    local says=$1
    shift
    rm -rf bad
    cp -r two bad
    "$@"
    unchanged copy.qcow2 fails_with 14 "$says" \
        "$BITFERRY" restore bad --into copy.qcow2 --disk vdb --replace
}
poke() { # FILE OFFSET: change a byte
    local old
    old=$(od -An -tu1 -j "$2" -N 1 "$1")
    printf "%b" "\\x$(printf %02x $((old ^ 1)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
damaged "'vdb.carrier.qcow2' is damaged" poke bad/vdb.carrier.qcow2 70000
damaged "'vda.carrier.qcow2' is damaged" truncate -s -1 bad/vda.carrier.qcow2
damaged "vda.carrier.qcow2" rm bad/vda.carrier.qcow2
damaged "'manifest.json' is damaged" poke bad/manifest.json 100
damaged "SHA256SUMS" rm bad/SHA256SUMS
damaged "SHA256SUMS" poke bad/SHA256SUMS 3
for ((at = 0; at < $(stat -c %s two/manifest.pb); at += 97)); do
    damaged "'manifest.pb' is damaged" poke bad/manifest.pb "$at"
done
# Sums that were made again do not help: the carrier is not what the manifest says.
again() {
    "$@"
    (cd bad && sha256sum manifest.pb manifest.json ./*.carrier.qcow2 | sed 's,\./,,' >SHA256SUMS)
}
damaged "'vdb.carrier.qcow2' is not the file that manifest.pb lists" again poke bad/vdb.carrier.qcow2 70000
damaged "manifest.pb.*(not a manifest|damaged)" again truncate -s 100 bad/manifest.pb
manifest=$(od -An -v -tx1 two/manifest.pb | tr -d ' \n')
before=${manifest%"$(qemu_digest vdb.qcow2 tuesday)"*} # the last: an empty bitmap of vda has the same
[ ${#before} -lt ${#manifest} ] || die "the manifest does not hold the digest"
digest_at=$((${#before} / 2))
damaged "bitmap 'tuesday' is not what its source announced" again poke bad/manifest.pb "$digest_at"
unchanged copy.qcow2 fails_with 14 "bitmap 'tuesday' is not what its source announced" \
    "$BITFERRY" restore bad --into copy.qcow2 --disk vdb --granularity 64k --as other -b tuesday
fails_with 1 "not an archive" "$BITFERRY" restore "$scratch/empty/.." --into copy.qcow2
fails_with 1 "nosuch" "$BITFERRY" restore nosuch --into copy.qcow2
nothing_left
ok "a damaged archive is refused, with the file named and nothing changed"

# killed: an archive under way is killed as soon as its stage is there; the next run removes it.
killed() {
    local pid
    "$BITFERRY" archive large.qcow2 --to later >/dev/null &
    pid=$!
    until [ -e .later.bitferry/large.carrier.qcow2 ] || ! kill -0 "$pid" 2>/dev/null; do :; done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    [ -d .later.bitferry ] && [ ! -e later ]
}
qemu-img create -q -f qcow2 large.qcow2 256G
for i in 1 2 3 4 5 6 7 8; do qemu-img bitmap --add -g 4k large.qcow2 "b$i"; done
until killed; do rm -rf later; done 2>/dev/null
"$BITFERRY" archive large.qcow2 --to later >/dev/null
(cd later && sha256sum --quiet -c SHA256SUMS) || die "sha256sum does not agree"
nothing_left
ok "a killed run leaves no archive, and the next one removes what it left"
