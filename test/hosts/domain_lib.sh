# shellcheck shell=bash
# Domains on the hosts.  Source it behind hosts_lib.sh.
#
# Without a kernel a domain stands in its BIOS and is written to by domain_write, as if by the guest: fast,
# and every byte is known.  Behind guest_linux they boot the Linux of test/guest, which writes by itself.

: "${hosts_source:?}"
IMAGES=/var/lib/libvirt/images
SHARED=/var/lib/libvirt/shared

# domain_disk HOST PATH SIZE [OPTION...]: an empty image
domain_disk() {
    hosts_run "$1" qemu-img create -q -f qcow2 "${@:4}" "$2" "$3"
}

# domain_disk_xml TARGET PATH
domain_disk_xml() {
    cat <<EOT
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' discard='unmap'/>
      <source file='$2'/>
      <target dev='$1' bus='virtio'/>
      <serial>$1</serial>
    </disk>
EOT
}

domain_boot_xml() {
    echo "    <type arch='x86_64' machine='pc'>hvm</type>"
    [ -n "${guest_folder:-}" ] || return 0
    printf '    <kernel>%s/vmlinuz</kernel>\n    <initrd>%s/initrd</initrd>\n    <cmdline>%s</cmdline>\n' \
        "$guest_folder" "$guest_folder" 'console=ttyS0 quiet'
}

# guest_linux: domains that are defined from now on boot it
guest_linux() {
    guest_folder=${BF_GUEST:-$BF_BUILD/guest}
    "$BF_SOURCE/test/guest/build.sh" "$guest_folder"
}

# guest HOST NAME COMMAND...: tell the Linux guest (test/guest/init.c); prints its answer
guest() {
    local answer
    case $3 in
    start) answer=started ;;
    stop) answer=stopped ;;
    *) answer=writes= ;;
    esac
    # shellcheck disable=SC2016 # expanded there
    hosts_run "$1" bash -c '
        coproc nc -U "$1"
        printf "%s\n" "$2" >&"${COPROC[1]}"
        while read -r -t 5 line <&"${COPROC[0]}"; do
            [[ $line != "guest: $3"* ]] || break
        done
        kill "$COPROC_PID"
        [[ $line == "guest: "* ]] && printf "%s\n" "${line%?}"' guest "/run/$2-console.sock" "${*:3}" "$answer"
}

# guest_wrote HOST NAME: has it written since it was asked last?
guest_wrote() {
    local said
    said=$(guest "$1" "$2" report) && [[ $said == *writes=[1-9]* ]]
}

# domain_xml NAME UUID TARGET=PATH...: $domain_memory_mib of memory, or 128
domain_xml() {
    local name=$1 uuid=$2 disk
    shift 2
    cat <<EOT
<domain type='qemu'>
  <name>$name</name>
  <uuid>$uuid</uuid>
  <memory unit='MiB'>${domain_memory_mib:-128}</memory>
  <vcpu>1</vcpu>
  <os>
$(domain_boot_xml)
  </os>
  <features><acpi/></features>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
$(for disk in "$@"; do domain_disk_xml "${disk%%=*}" "${disk#*=}"; done)
    <controller type='usb' model='none'/>
    <serial type='unix'><source mode='bind' path='/run/$name-console.sock'/></serial>
    <memballoon model='none'/>
  </devices>
</domain>
EOT
}

# domain_define HOST NAME UUID TARGET=PATH...
domain_define() {
    domain_xml "${@:2}" | hosts_run "$1" virsh -q define /dev/stdin >/dev/null
}

# domain_qmp HOST NAME JSON: what QEMU returns
domain_qmp() {
    hosts_run "$1" virsh -q qemu-monitor-command "$2" "$3" | jq -ce .return
}

# domain_write HOST NAME TARGET PATTERN OFFSET LENGTH: as the guest's device does it
domain_write() {
    local device said
    device=$(hosts_run "$1" virsh -q dumpxml "$2" --xpath "//disk[target/@dev='$3']/alias/@name" |
        sed -n 's/.*"\(.*\)"/\1/p')
    said=$(hosts_run "$1" virsh -q qemu-monitor-command "$2" --hmp \
        "qemu-io -d /machine/peripheral/$device/virtio-backend \"write -P $4 $5 $6\"")
    # What it wrote goes to the domain's log; only refusals are told here.
    [ -z "${said//[[:space:]]/}" ] || {
        printf 'the write to %s of %s failed: %s\n' "$3" "$2" "$said" >&2
        return 1
    }
}

# domain_bitmaps HOST NAME: a line for each bitmap: node, name, bytes dirty, flags
domain_bitmaps() {
    domain_qmp "$1" "$2" '{"execute":"query-named-block-nodes","arguments":{"flat":true}}' |
        jq -r '.[] | . as $node | .["dirty-bitmaps"][]? | [$node["node-name"], .name // "-", .count,
            (if .persistent then "persistent" else "transient" end),
            (if .recording then "recording" else "frozen" end),
            (if .busy then "busy" else empty end),
            (if .inconsistent then "inconsistent" else empty end)] | @tsv' | sort -u
}

# domain_digest HOST NAME NODE BITMAP
domain_digest() {
    domain_qmp "$1" "$2" "$(jq -nc --arg node "$3" --arg name "$4" \
        '{execute:"x-debug-block-dirty-bitmap-sha256",arguments:{node:$node,name:$name}}')" | jq -r .sha256
}

# domain_checkpoint HOST NAME CHECKPOINT [virsh OPTION...]
domain_checkpoint() {
    hosts_run "$1" virsh -q checkpoint-create-as "$2" "$3" "${@:4}" >/dev/null
}
