#!/usr/bin/env bash
# deploy/hooks/example-script.sh between the two hosts, word for word: QEMU without libvirt, the real daemons,
# mutual TLS, and the general hook.  ssh is replaced by a way into a host.
. "$(dirname "$0")/test_lib.sh"

export vm=web1 uuid=11111111-2222-3333-4444-555555555555 source=host-a dest=host-b
hosts_up "$scratch/hosts" bitferry-source bitferry-dest
mkdir "$scratch/bin"
cat >"$scratch/bin/ssh" <<EOT
#!/usr/bin/env bash
set -e
BF_BUILD=$BF_BUILD . "$hosts_source/hosts_lib.sh"
HOSTS=$HOSTS
host=\${1#host-}
hosts_run "\${host^^}" env PATH="$BF_SOURCE/deploy/hooks:$BF_BUILD:\$PATH" bash -c "\$2"
EOT
chmod +x "$scratch/bin/ssh"

# qemu HOST OPTION...
qemu() {
    hosts_run "$1" qemu-system-x86_64 -accel tcg -m 64 -display none -nodefaults -name $vm -uuid $uuid \
        -qmp unix:/run/$vm.qmp,server=on,wait=off -qmp unix:/run/$vm-bitferry.qmp,server=on,wait=off \
        -qmp unix:/run/$vm-test.qmp,server=on,wait=off \
        -blockdev "driver=qcow2,node-name=disk,file.driver=file,file.filename=$IMAGES/disk.qcow2" \
        -device virtio-blk-pci,id=vda,drive=disk "${@:2}" >"$scratch/qemu-$1.log" 2>&1 &
    wait_for 30 hosts_run "$1" test -S "/run/$vm-test.qmp"
}

# test_qmp HOST JSON: what QEMU returns
test_qmp() {
    # shellcheck disable=SC2016 # expanded there
    hosts_run "$1" bash -c '
        coproc nc -U "$1"
        read -r greeting <&"${COPROC[0]}"
        for line in "{\"execute\":\"qmp_capabilities\"}" "$2"; do
            printf "%s\n" "$line" >&"${COPROC[1]}"
            read -r answer <&"${COPROC[0]}"
        done
        printf "%s\n" "$answer"
        kill "$COPROC_PID"' test-qmp "/run/$vm-test.qmp" "$2" | jq -ce .return
}

# guest_writes HOST PATTERN OFFSET LENGTH: as the guest's device does it
guest_writes() {
    local said
    said=$(test_qmp "$1" "$(jq -nc --arg line "qemu-io -d /machine/peripheral/vda/virtio-backend \"write -P $2 $3 $4\"" \
        '{execute:"human-monitor-command",arguments:{"command-line":$line}}')")
    equal '""' "$said" "what QEMU says to a write"
}

# bitmaps_at HOST: name, dirty bytes, recording or not, digest of each of the disk's bitmaps
bitmaps_at() {
    local name
    test_qmp "$1" '{"execute":"query-named-block-nodes","arguments":{"flat":true}}' |
        jq -r '.[] | select(."node-name" == "disk") | ."dirty-bitmaps"[]? |
            [.name, .count, .recording, .persistent] | @tsv' | sort >"$scratch/rows"
    for name in $(cut -f 1 "$scratch/rows"); do
        printf '%s\t%s\n' "$(grep "^$name" "$scratch/rows")" "$(test_qmp "$1" \
            '{"execute":"x-debug-block-dirty-bitmap-sha256","arguments":{"node":"disk","name":"'"$name"'"}}' | jq -r .sha256)"
    done
}

domain_disk A "$IMAGES/disk.qcow2" 256M
domain_disk B "$IMAGES/disk.qcow2" 256M
qemu A
qemu B -incoming defer
for bitmap in chk1 chk2; do
    guest_writes A 1 0 3M
    guest_writes A 2 100M 192k
    test_qmp A '{"execute":"block-dirty-bitmap-add","arguments":{"node":"disk","name":"'$bitmap'","persistent":true}}' >/dev/null
done
guest_writes A 3 50M 1M
before=$(bitmaps_at A)
equal "4390912 1048576" "$(cut -f 2 <<<"$before" | xargs)" "bytes dirty"
PATH=$scratch/bin:$PATH timeout 120 bash "$BF_SOURCE/deploy/hooks/example-script.sh" >"$scratch/said" 2>&1 ||
    die "the script ended with $?: $(cat "$scratch/said" "$HOSTS"/?/var/log/bitferry-*.log)"
equal "" "$(cat "$scratch/said")" "what it says"
for host in A B; do
    equal committed "$(hosts_run $host bitferry status --json | jq -r '.moves[0].state')" "move at $host"
done
equal "$before" "$(bitmaps_at B)" "bitmaps at the destination"
guest_writes B 4 200M 64k
[ "$before" != "$(bitmaps_at B)" ] || die "the bitmaps do not record at the destination"
ok "the script moves a VM with its bitmaps"
