# shellcheck shell=bash
# How a VM's disk comes to the other host, in each mode: what an orchestrator would do, step by step.
#
#     way_images       make the images of both sides
#     way_open         the destination opens its image
#     way_copy         begin to copy (the guest runs), until it is complete but for the last writes
#     way_migrate      migrate, until the guest is paused for the last time
#     way_complete     from there until the migration has ended
#
# $mode and $layers say which.  Images: $image_source, $image_dest; $format_dest.  Any of these functions
# can be replaced by those of an orchestrator (README.md).

: "${scratch:?}" "${mode:?}" "${layers:?}" "${disk_size:?}" "${granule:?}"
image_source=$scratch/a.qcow2
image_dest=$scratch/b.qcow2
format_dest=qcow2

way_images() {
    local below=()
    case $layers in
    chain | flat)
        make_below
        below=(-b "$scratch/below.qcow2" -F qcow2)
        ;;
    esac
    qemu-img create -q -f qcow2 ${below[@]+"${below[@]}"} "$image_source" "$disk_size"
    case $mode in
    shared) image_dest=$image_source ;;
    *) make_dest ;;
    esac
}

# The image below has a checkpoint of its own; its last bitmap has the name of the one on top.
make_below() {
    qemu-img create -q -f qcow2 "$scratch/below.qcow2" "$disk_size"
    qemu-img bitmap --add -g "$granule" "$scratch/below.qcow2" c
    qemu-io -c "write -P 3 $((5 * granule)) $granule" "$scratch/below.qcow2" >/dev/null
}

# What a former visit of the VM has left: a bitmap of that name, with something in it.
make_leftover() {
    qemu-img create -q -f qcow2 "$image_dest" "$disk_size"
    qemu-img bitmap --add -g "$granule" "$image_dest" c
    qemu-io -c "write -P 3 $((7 * granule)) $granule" "$image_dest" >/dev/null
}

make_dest() {
    case $layers in
    chain)
        cp "$scratch/below.qcow2" "$scratch/below-dest.qcow2"
        qemu-img create -q -f qcow2 -b "$scratch/below-dest.qcow2" -F qcow2 "$image_dest" "$disk_size"
        ;;
    raw)
        format_dest=raw
        qemu-img create -q -f raw "$image_dest" "$disk_size"
        ;;
    v2) qemu-img create -q -f qcow2 -o compat=0.10 "$image_dest" "$disk_size" ;;
    larger) qemu-img create -q -f qcow2 "$image_dest" $((disk_size * 2)) ;;
    clusters) qemu-img create -q -f qcow2 -o cluster_size=4k "$image_dest" "$disk_size" ;;
    leftover) make_leftover ;;
    *) qemu-img create -q -f qcow2 "$image_dest" "$disk_size" ;;
    esac
}

# way_qemu SIDE IMAGE FORMAT [OPTION...]: start it.  `migrate` copies only disks of real devices.
way_qemu() {
    local side=$1 image=$2 format=$3
    shift 3
    if [ "$mode" = block ]; then
        qemu "$side" -machine pc -m 16 \
            -drive "if=none,id=guest-vda,node-name=vda,file=$image,format=$format" \
            -device virtio-blk-pci,drive=guest-vda "$@"
        backend[$side.vda]=guest-vda
        capabilities "$side" block
    else
        qemu "$side" -machine none "$@"
    fi
}

way_open() {
    [ "$mode" = block ] || plain_disk dest vda "$image_dest" "$format_dest"
    case $mode in
    nbd | stream)
        qmp dest nbd-server-start "$(jq -nc --arg path "$scratch/dest.nbd" \
            '{addr:{type:"unix",data:{path:$path}}}')"
        qmp dest block-export-add \
            '{"type":"nbd","id":"copy","node-name":"vda","name":"vda","writable":true}'
        ;;
    esac
    case $mode in
    stream | block) way_map ;;
    esac
}

# The orchestrator's own mapping, unless bitferry is to make it.
way_map() {
    [ "${mapping:-ours}" = ours ] || return 0
    local side alias
    for side in source dest; do
        alias=a-vda
        [ "$side" = source ] || [ "$layers" != alias ] || alias=b-vda # which the source never says
        qmp "$side" migrate-set-parameters "$(jq -nc --arg alias "$alias" '{"block-bitmap-mapping":
            [{"node-name":"vda",alias:$alias,bitmaps:[{name:"c",alias:"c"}]}]}')"
        capabilities "$side" dirty-bitmaps
    done
}

way_copy() {
    local sync=full
    case $mode in
    nbd | stream)
        [ "$layers" != chain ] || sync=top
        qmp source blockdev-add "$(jq -nc --arg path "$scratch/dest.nbd" '{driver:"nbd",
            "node-name":"peer",export:"vda",server:{type:"unix",path:$path}}')"
        qmp source blockdev-mirror \
            "{\"job-id\":\"copy\",\"device\":\"vda\",\"target\":\"peer\",\"sync\":\"$sync\"}"
        wait_for 60 job_ready source copy
        ;;
    esac
}

# Until the guest is paused for the last time.  An orchestrator without such a moment does nothing here.
way_migrate() {
    capabilities source pause-before-switchover
    qmp source migrate "{\"uri\":\"unix:$scratch/ram\"}"
    wait_for 60 is pre-switchover migration source
}

# From there to the end: the copying ends, the guest runs at the destination.
way_complete() {
    case $mode in
    nbd | stream)
        qmp source block-job-cancel '{"device":"copy"}'
        wait_for 60 no_job source
        qmp source blockdev-del '{"node-name":"peer"}'
        qmp dest block-export-del '{"id":"copy","mode":"hard"}'
        ;;
    esac
    qmp source migrate-continue '{"state":"pre-switchover"}'
    wait_for 60 migration_ended source
}
