# shellcheck shell=bash
# What the tests of `bitferry migrate` share: two hosts with libvirt, a domain with checkpoints.

. "$(dirname "${BASH_SOURCE[0]}")/../../hosts/test_lib.sh"

hosts_up "${scratch:?}/hosts" libvirtd
# shellcheck disable=SC2034 # for the tests
a_uri=qemu+tcp://host-a/system b_uri=qemu+tcp://host-b/system
uuid=11111111-2222-3333-4444-555555555555
captured=/var/lib/bitferry/migrate/$uuid

# begin NAME PATH [SIZE]: a domain on A with the checkpoints chk1 (and a full backup at it) and chk2
begin() {
    domain_disk A "$2" "${3:-256M}"
    domain_define A "$1" "$uuid" vda="$2"
    a start "$1" >/dev/null
    domain_write A "$1" vda 0x11 0 3M
    backup_push A "$1" "$SHARED/$1-full" '' chk1 vda
    domain_write A "$1" vda 0x12 4M 1M
    domain_checkpoint A "$1" chk2
    domain_write A "$1" vda 0x13 8M 192k
}

# ferry HOST EXIT ARGUMENT...: `bitferry` there; what it says is in $said.
ferry() {
    local host=$1 wanted=$2 status=0
    shift 2
    said=$(hosts_run "$host" bitferry "$@" 2>&1) || status=$?
    [ "$status" = "$wanted" ] || die "exit $status instead of $wanted from: bitferry $*: $said"
}

# says TEXT: an extended regular expression
says() {
    grep -qE -- "$1" <<<"$said" || die "it does not say '$1': $said"
}

# tree HOST NAME: "chk1 chk2<chk1": each checkpoint with its parent, parents first
tree() {
    local checkpoint parent
    for checkpoint in $(hosts_run "$1" virsh -q checkpoint-list "$2" --topological --name); do
        parent=$(hosts_run "$1" virsh -q checkpoint-parent "$2" "$checkpoint" 2>/dev/null || true)
        printf '%s%s ' "$checkpoint" "${parent:+<$parent}"
    done | sed 's/ $//'
}

# nothing_captured HOST: bitferry has left nothing there
nothing_captured() {
    ! hosts_run "$1" test -e "$captured" || die "$captured is still there"
}

# proven HOST NAME PATH: backups since both checkpoints work, and the full one at chk1 with an incremental one
# since chk1 is the disk, which the full one alone is not.  Shuts the domain off.
proven() {
    domain_write "$1" "$2" vda 0x21 16M 1M
    backup_push "$1" "$2" "$SHARED/$2-inc2" chk2 '' vda
    backup_push "$1" "$2" "$SHARED/$2-inc1" chk1 '' vda
    hosts_run "$1" virsh -q destroy "$2" >/dev/null
    ! backup_restores "$1" "$3" "$SHARED/$2-full-vda.qcow2" || die "the full backup of $2 is the disk already"
    backup_restores "$1" "$3" "$SHARED/$2-full-vda.qcow2" "$SHARED/$2-inc1-vda.qcow2" ||
        die "full + incremental since chk1 is not the disk of $2"
}

# image_bitmaps HOST PATH: what a shut-off image holds, with QEMU's flags
image_bitmaps() {
    hosts_run "$1" qemu-img info --output json "$2" |
        jq -r '[."format-specific".data.bitmaps[]? | .name + ":" + (.flags | join("+"))] | sort | join(" ")'
}

# forget NAME: the domain and its checkpoints, on both hosts
forget() {
    local host
    for host in A B; do
        hosts_run "$host" virsh -q destroy "$1" >/dev/null 2>&1 || true
        hosts_run "$host" virsh -q undefine "$1" --checkpoints-metadata >/dev/null 2>&1 || true
    done
}

# copying HOST NAME: its mirror has begun (its bitmap has no name)
copying() {
    domain_bitmaps "$1" "$2" | grep -qP '\t-\t'
}

gone() {
    ! hosts_run "$1" virsh -q domstate "$2" 2>/dev/null
}
