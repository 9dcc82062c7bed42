#!/bin/bash
# inspect: what it prints is what QEMU says, and readable.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli_lib.sh"

image=$scratch/vda.qcow2
dirty_image "$image" 64M monday 64k 0 32M 48M 1M
qemu-img bitmap --add -g 1M "$image" tuesday
qemu-img bitmap --add --disable "$image" $'wild\e[31m\nname'
qemu-io -c 'write 63M 4k' "$image" >/dev/null

"$BITFERRY" inspect --json "$image" >"$scratch/json"
equal 1 "$(jq .schema "$scratch/json")" schema
equal vda "$(jq -r '.disks[0].name' "$scratch/json")" "disk name"
equal "$image" "$(jq -r '.disks[0].target' "$scratch/json")" target
equal $((64 << 20)) "$(jq '.disks[0].virtual_size_bytes' "$scratch/json")" size
for name in monday tuesday $'wild\e[31m\nname'; do
    bitmap=$(jq -c --arg name "$name" '.disks[0].bitmaps[] | select(.name == $name)' "$scratch/json")
    equal "$(qemu_count "$image" "$name")" "$(jq .dirty_bytes <<<"$bitmap")" "dirty bytes of $name"
    equal "$(qemu_digest "$image" "$name")" "$(jq -r .sha256 <<<"$bitmap")" "digest of $name"
    equal true "$(jq .consistent <<<"$bitmap")" consistent
    equal true "$(jq .persistent <<<"$bitmap")" persistent
done
equal "true,true,false" "$(jq -r '[.disks[0].bitmaps[].recording] | join(",")' "$scratch/json")" recording
ok "JSON equals what QEMU counts and digests"

"$BITFERRY" inspect "$image" >"$scratch/text"
! grep -q $'\e' "$scratch/text" || die "an escape sequence reaches the output"
grep -qF 'wild\x1b[31m\x0aname' "$scratch/text" || die "control characters are not shown escaped"
equal 8 "$(grep -c . "$scratch/text")" "number of lines"
equal 1 "$(sed -n '3p;5p;7p' "$scratch/text" | awk '{ print index($0, "iB") }' | sort -u | wc -l)" \
    "columns of the granularity"
sed -n 3p "$scratch/text" | grep -qE '^  monday +64 KiB  recording +33 MiB +51\.[0-9] %  [0-9a-f]{12}$' ||
    die "row: $(sed -n 3p "$scratch/text")"
sed -n 7p "$scratch/text" | grep -qE ' 64 KiB  frozen +0 B +0 %  [0-9a-f]{12}$' ||
    die "row: $(sed -n 7p "$scratch/text")"
grep -qF "$(qemu_digest "$image" monday)" <("$BITFERRY" inspect -v "$image" 2>/dev/null) ||
    die "--verbose does not show the whole digest"
ok "table is aligned and safe"

# 64 MiB on 64 cells: half full, a gap of 16, one full, a gap of 14, one of 16 blocks.
strip() { COLUMNS=68 "$BITFERRY" inspect "$image" --bitmap monday | tail -1; }
solid=$(printf '█%.0s' {1..32})
equal "  ▕$solid$(printf '%16s' '')█$(printf '%14s' '')▁▏" "$(strip)" "heat strip"
equal "  [${solid//█/@}$(printf '%16s' '')@$(printf '%14s' '').]" "$(LC_ALL=C strip)" "ASCII heat strip"
ok "heat strip shows where the dirty blocks lie"

# In a terminal there are colours, unless they are unwelcome.
script -qec "env TERM=xterm '$BITFERRY' inspect '$image'" /dev/null >"$scratch/coloured"
grep -q $'\e\[31m█' "$scratch/coloured" || die "no colour in a terminal"
script -qec "env TERM=xterm NO_COLOR=1 '$BITFERRY' inspect '$image'" /dev/null >"$scratch/plain"
! grep -q $'\e' "$scratch/plain" || die "colour in spite of NO_COLOR"
ok "colours only on a terminal that wants them"

equal monday "$(field '.disks[0].bitmaps[].name' "$BITFERRY" inspect --json -b monday "$image")" --bitmap
equal null "$(field '.disks[0].bitmaps[0].sha256' "$BITFERRY" inspect --json --no-digest "$image")" --no-digest
fails_with 4 "no bitmap 'friday'" "$BITFERRY" inspect --bitmap friday "$image"
fails_with 1 "no disk 'vdb'" "$BITFERRY" inspect --disk vdb "$image"
ok "choices"

cp "$image" "$scratch/vdb.qcow2"
equal "vda vdb" "$(field '[.disks[].name] | join(" ")' "$BITFERRY" inspect --json "$image" "$scratch/vdb.qcow2")" \
    "several targets"
mkdir "$scratch/folder"
cp "$image" "$scratch/folder/sda.carrier.qcow2"
equal sda "$(field '.disks[].name' "$BITFERRY" inspect --json "$scratch/folder")" "folder of carriers"
"$BITFERRY" archive "$image" --to "$scratch/archive" >/dev/null
equal "$(jq -c '[.disks[].bitmaps[] | del(.target)]' "$scratch/json")" \
    "$(field '[.disks[].bitmaps[]] | tojson' "$BITFERRY" inspect --json "$scratch/archive")" "archive"
printf x >>"$scratch/archive/vda.carrier.qcow2"
fails_with 14 vda.carrier.qcow2 "$BITFERRY" inspect "$scratch/archive"
ok "folders and archives"

serve_bitmaps "$image"
equal "$(jq -c '[.disks[].bitmaps[]]' "$scratch/json")" \
    "$(field '[.disks[].bitmaps[]] | tojson' "$BITFERRY" inspect --json "$uri")" "server"
equal "$(strip)" "$(COLUMNS=68 "$BITFERRY" inspect "$uri" --bitmap monday | tail -1)" "heat strip of a server"
one=${uri/\/\/\//\/\/\/vda\/tuesday}
equal tuesday "$(field '.disks[0].bitmaps[].name' "$BITFERRY" inspect --json "$one")" "URI of one bitmap"
stop_serving
clean_temp
ok "server"

fails_with 15 "not one of bitferry.*exports" nbdkit -U - memory 1M --run "$BITFERRY inspect \"\$uri\""
fails_with 15 "not one of bitferry.*exports" nbdkit -U - memory 100M --run "$BITFERRY inspect \"\$uri\""
fails_with 10 . "$BITFERRY" inspect "nbd+unix:///?socket=$scratch/nobody"
fails_with 15 "not a qcow2 image" "$BITFERRY" inspect "$0"
qemu-img create -q -f qcow2 -o compat=0.10 "$scratch/v2.qcow2" 1M
fails_with 15 "version 2" "$BITFERRY" inspect "$scratch/v2.qcow2"
fails_with 1 "No such file" "$BITFERRY" inspect "$scratch/none"
equal NOT_QCOW2 "$( ("$BITFERRY" inspect --json "$0" || true) | jq -r .error.code)" "code in JSON"
equal 15 "$("$BITFERRY" inspect --json "$0" >/dev/null 2>&1 && echo 0 || echo $?)" "exit status with --json"
ok "what is no target is refused by name"

inconsistent "$image"
"$BITFERRY" inspect "$image" >"$scratch/text"
grep -q 'monday .* inconsistent$' "$scratch/text" || die "state: $(cat "$scratch/text")"
"$BITFERRY" inspect --json "$image" >"$scratch/json"
equal "false null null" "$(jq -r '.disks[0].bitmaps[0] | "\(.consistent) \(.sha256) \(.dirty_bytes)"' "$scratch/json")" \
    "inconsistent bitmap"
[ -n "$(jq -r '.disks[0].bitmaps[0].problem' "$scratch/json")" ] || die "no reason given"
ok "an inconsistent bitmap is listed, with the reason and without a digest"

run_child qemu-storage-daemon --chardev "socket,id=m,path=$scratch/qmp,server=on,wait=off" --monitor chardev=m \
    --blockdev "driver=qcow2,node-name=d,file.driver=file,file.filename=$scratch/vdb.qcow2"
in_use() { ! "$BITFERRY" inspect "$scratch/vdb.qcow2" >/dev/null 2>&1; }
wait_for 30 in_use
fails_with 11 "in use|locked" "$BITFERRY" inspect "$scratch/vdb.qcow2"
"$BITFERRY" inspect -U "$scratch/vdb.qcow2" >/dev/null || die "--force-share is refused"
ok "an image in use is refused, unless that is what one wants"
