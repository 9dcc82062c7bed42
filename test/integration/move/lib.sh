# shellcheck shell=bash
# A Linux guest that writes all the while, moved by the sample orchestrator with both daemons: what the
# end to end tests share.
#
#     begin_guest SIDE IMAGE     boot it            arrive_guest SIDE IMAGE   a QEMU that waits for it
#     guest SIDE COMMAND         on its console     move FROM TO [OPTION...]  by deploy/orchestrator/move-vm
#     backup SIDE FILE ...       by QEMU's own jobs

folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$folder/../faults/lib.sh"
guest_folder=${BF_GUEST:-$BF_BUILD/guest}
move_vm=$BF_SOURCE/deploy/orchestrator/move-vm
declare -A console_to console_from
disks=(vda)

build_guest() {
    "$BF_SOURCE/test/guest/build.sh" "$guest_folder"
}

# guest_qemu SIDE IMAGES FORMAT [OPTION...]: images with commas between
guest_qemu() {
    local side=$1 images=$2 format=$3 image i=0 to from options=()
    shift 3
    for image in ${images//,/ }; do
        options+=(-drive "if=none,id=drive$i,node-name=${disks[i]},file=$image,format=$format,discard=unmap"
            -device "virtio-blk-pci,id=${disks[i]},drive=drive$i")
        i=$((i + 1))
    done
    rm -f "$scratch/$side".console.* "$scratch/$side".pipe.* "$scratch/$side".*qmp
    mkfifo "$scratch/$side.console.in" "$scratch/$side.console.out"
    qemu "$side" -machine pc -m 96 -kernel "$guest_folder/vmlinuz" -initrd "$guest_folder/initrd" \
        -append 'console=ttyS0 quiet' -chardev "pipe,id=console,path=$scratch/$side.console" \
        -serial chardev:console -qmp "unix:$scratch/$side.orchestrator.qmp,server=on,wait=off" \
        "${options[@]}" "$@"
    exec {to}<>"$scratch/$side.console.in" {from}<>"$scratch/$side.console.out"
    console_to[$side]=$to console_from[$side]=$from
}

# heard SIDE PATTERN: the next line of the guest's that fits
heard() {
    local line said=''
    while read -r -t "${silence:-90}" line <&"${console_from[$1]}"; do
        line=${line%$'\r'}
        if [[ $line =~ $2 ]]; then
            printf '%s\n' "$line"
            return
        fi
        said+=" | $line"
    done
    die "$1: the guest does not say $2$said"
}

begin_guest() {
    guest_qemu "$1" "$2" qcow2
    heard "$1" '^guest: ready' >/dev/null
}

# arrive_guest SIDE IMAGES [FORMAT]
arrive_guest() {
    guest_qemu "$1" "$2" "${3:-qcow2}" -incoming defer
}

# guest SIDE COMMAND...: prints the answer
guest() {
    local answer
    case $2 in
    start) answer='^guest: started' ;;
    stop) answer='^guest: stopped' ;;
    *) answer='^guest: writes=' ;;
    esac
    printf '%s\n' "${*:2}" >&"${console_to[$1]}"
    heard "$1" "$answer"
}

# writes SIDE: how many since the last report
writes() {
    local line
    line=$(guest "$1" report)
    line=${line#*writes=}
    printf '%s\n' "${line%% *}"
}

# wrote SIDE NUMBER: wait until the guest has made that many more writes
wrote() {
    local sum=0 end=$((SECONDS + 90))
    while [ "$sum" -lt "$2" ]; do
        [ "$SECONDS" -lt "$end" ] || die "$1: the guest answers, but has written $sum times in 90 s, and not $2 times"
        sum=$((sum + $(writes "$1")))
    done
}

job_gone() {
    qmp "$1" query-jobs | jq -e --arg id "$2" 'all(.[]; .id != $id)' >/dev/null
}

# add_target SIDE NODE FILE
add_target() {
    qmp "$1" blockdev-add "$(jq -nc --arg node "$2" --arg file "$3" \
        '{driver:"qcow2","node-name":$node,file:{driver:"file",filename:$file}}')"
}

# checkpoint SIDE DISK NAME FILE: a bitmap, and a full backup of that very moment
checkpoint() {
    qemu-img create -q -f qcow2 "$4" "$(qmp "$1" query-named-block-nodes '{"flat":true}' |
        jq -r --arg node "$2" '.[] | select(."node-name"==$node) | .image."virtual-size"')"
    add_target "$1" target "$4"
    qmp "$1" transaction "$(jq -nc --arg node "$2" --arg name "$3" '{actions:[
        {type:"block-dirty-bitmap-add",data:{node:$node,name:$name,persistent:true,
         granularity:'"${granularity:-65536}"'}},
        {type:"blockdev-backup",data:{"job-id":"backup",device:$node,target:"target",sync:"full"}}]}')"
    wait_for 120 job_gone "$1" backup
    qmp "$1" blockdev-del '{"node-name":"target"}'
}

# incremental SIDE DISK NAME FULL FILE: what has changed since the checkpoint, on top of its backup
incremental() {
    local format
    qemu-img create -q -f qcow2 -b "$4" -F qcow2 "$5"
    add_target "$1" target "$5"
    format=$(jq -nc --arg node "$2" --arg name "$3" '{"job-id":"backup",device:$node,target:"target",
        sync:"bitmap","bitmap-mode":"never",bitmap:$name}')
    qmp "$1" blockdev-backup "$format"
    wait_for 120 job_gone "$1" backup
    qmp "$1" blockdev-del '{"node-name":"target"}'
}

# standstill SIDE...: where a move stands that does not come to its end
standstill() {
    local side
    for side; do
        printf '%s: %s %s %s\n' "$side" "$(qmp "$side" query-status)" "$(qmp "$side" query-migrate | jq -c '{status}')" \
            "$(qmp "$side" query-block-jobs | jq -c '[.[] | {device,ready,offset,len,busy,status}]')" >&2
    done
    tail -n 20 "$scratch/source.log" "$scratch/dest.log" >&2
    die "the move has not come to its end in 240 s"
}

# move FROM TO [OPTION...]
move() {
    local from=$1 to=$2 disk options=()
    shift 2
    for disk in "${disks[@]}"; do
        options+=(--disk "$disk")
    done
    rm -f "$scratch/copy.nbd" "$scratch/ram"
    timeout 240 "$move_vm" --vm ferry --uuid "$uuid" --from "$scratch/$from.orchestrator.qmp" \
        --to "$scratch/$to.orchestrator.qmp" --nbd "unix:$scratch/copy.nbd" --ram "unix:$scratch/ram" \
        --from-bitferry "$scratch/$from.qmp" --to-bitferry "$scratch/$to.qmp" \
        --source-control "$scratch/source.run/control.sock" \
        --dest-control "$scratch/dest.run/control.sock" --peer "127.0.0.1:$port" \
        "${options[@]}" "$@" || {
        [ $? != 124 ] || standstill "$from" "$to"
        return 1
    }
    # What is said on its console before it has its state is lost.
    wait_for 60 is running run_state "$to"
}

# carried SIDE DISK NAME: it is there under its final name, whole
carried() {
    bitmap "$1" "$2" "$3" | jq -e '.inconsistent != true and .busy == false' >/dev/null ||
        die "$1 has no good bitmap $3 on $2"
}

all_moves_ended() {
    local side
    for side in source dest; do
        order "$side" list --json | jq -e 'all(.moves[]; .state != "under-way")' >/dev/null || return 1
    done
}
