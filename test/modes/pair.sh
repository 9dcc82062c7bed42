# shellcheck shell=bash
# Two QEMUs without a guest, "source" and "dest", told what to do over QMP.  They start in a fraction of a
# second; what a guest would write is written through the same block backend that its device would use.
#
# Behind lib.sh.  $scratch/SIDE.qmp is a QMP socket for whoever manages the VM (bitferry); the functions
# here talk over a pipe of their own.

: "${scratch:?}" "${child=}"
uuid=5c0ffee0-0000-4000-8000-00000000000f
granule=65536
export disk_size=$((64 << 20))
declare -A qemu_pid qmp_to qmp_from run_on backend

# qemu SIDE [OPTION...]: start it, by $run_on[SIDE] if that is a command; $qemu_pid[SIDE]
qemu() {
    local side=$1 to from line
    shift
    mkfifo "$scratch/$side.pipe.in" "$scratch/$side.pipe.out"
    run_child ${run_on[$side]:-} qemu-system-x86_64 -accel tcg -nodefaults -display none -name ferry \
        -uuid "$uuid" -qmp "unix:$scratch/$side.qmp,server=on,wait=off" \
        -chardev "pipe,id=ours,path=$scratch/$side.pipe" -mon chardev=ours,mode=control \
        "$@" >"$scratch/$side.stdout" 2>"$scratch/$side.stderr"
    qemu_pid[$side]=$child
    exec {to}>"$scratch/$side.pipe.in" {from}<"$scratch/$side.pipe.out"
    qmp_to[$side]=$to qmp_from[$side]=$from
    read -r -t 60 line <&"$from" || die "$side: QEMU does not start: $(cat "$scratch/$side.stderr")"
    qmp "$side" qmp_capabilities >/dev/null
}

# qmp_try SIDE COMMAND [ARGUMENTS]: prints the whole answer, an error too
qmp_try() {
    local side=$1 line
    printf '{"execute":"%s","arguments":%s}\n' "$2" "${3:-{\}}" >&"${qmp_to[$side]}"
    while read -r -t 60 line <&"${qmp_from[$side]}"; do
        line=${line%$'\r'}
        case $line in
        '{"return"'* | '{"error"'* | '{"id"'*)
            printf '%s\n' "$line"
            return
            ;;
        esac
    done
    die "$side: no answer to $2"
}

# qmp SIDE COMMAND [ARGUMENTS]: prints what it returns.  Without jq, which takes longer than QEMU.
qmp() {
    local answer
    answer=$(qmp_try "$@")
    [[ $answer == '{"return": '*'}' ]] || die "$1: $2 ${3:-}: $answer"
    answer=${answer#'{"return": '}
    answer=${answer%'}'}
    [ "$answer" = '{}' ] || printf '%s\n' "$answer"
}

# hmp SIDE LINE...
hmp() {
    local side=$1 line
    shift
    line=${*//\\/\\\\}
    qmp "$side" human-monitor-command "{\"command-line\":\"${line//\"/\\\"}\"}"
}

# word NAME JSON: the string of that name
word() {
    [[ $2 =~ \"$1\":\ \"([^\"]*)\" ]] && printf '%s\n' "${BASH_REMATCH[1]}"
}

# end_qemu SIDE [SIGNAL]: cleanly by `quit`, or by a signal
end_qemu() {
    local side=$1
    if [ $# -gt 1 ]; then
        kill "-$2" "${qemu_pid[$side]}"
    else
        qmp "$side" quit
    fi
    wait "${qemu_pid[$side]}" 2>/dev/null || true
    unset "qemu_pid[$side]"
}

# guest_disk SIDE NODE IMAGE FORMAT: with a block backend on it, as a guest's device has one
guest_disk() {
    equal '"OK\r\n"' \
        "$(hmp "$1" "drive_add 0 if=none,id=guest-$2,node-name=$2,format=$4,file=$3")" "drive_add"
    backend[$1.$2]=guest-$2
}

# plain_disk SIDE NODE IMAGE FORMAT
plain_disk() {
    qmp "$1" blockdev-add "$(jq -nc --arg node "$2" --arg image "$3" --arg format "$4" \
        '{driver:$format,"node-name":$node,file:{driver:"file",filename:$image}}')"
}

# guest_writes SIDE NODE GRANULE...: whole granules of it, through the guest's backend where it has one: on QEMU
# 10.0 a mirror does not see what is written to its node directly
guest_writes() {
    local side=$1 disk=${backend[$1.$2]:-$2} at
    shift 2
    for at; do
        hmp "$side" "qemu-io $disk \"write -P 7 $((at * granule)) $granule\"" >/dev/null
        wait_for 10 grep -q "^wrote $granule/$granule bytes at offset $((at * granule))\$" \
            "$scratch/$side.stdout"
    done
}

# add_bitmap SIDE NODE NAME recording|frozen persistent|transient
add_bitmap() {
    qmp "$1" block-dirty-bitmap-add "$(jq -nc --arg node "$2" --arg name "$3" \
        --argjson disabled "$([ "$4" = frozen ] && echo true || echo false)" \
        --argjson persistent "$([ "$5" = persistent ] && echo true || echo false)" \
        "{node:\$node,name:\$name,granularity:$granule,disabled:\$disabled,persistent:\$persistent}")"
}

# bitmap SIDE NODE NAME: what QEMU says of it, or nothing
bitmap() {
    qmp "$1" query-named-block-nodes '{"flat":true}' | jq -c --arg node "$2" --arg name "$3" \
        '.[] | select(."node-name"==$node) | ."dirty-bitmaps"[]? | select(.name==$name)'
}

# capabilities SIDE NAME...: set
capabilities() {
    local side=$1
    shift
    qmp "$side" migrate-set-capabilities "$(jq -nc '{capabilities:
        [$ARGS.positional[] | {capability:.,state:true}]}' --args "$@")"
}

migration() {
    word status "$(qmp "$1" query-migrate)" || echo none
}

run_state() {
    word status "$(qmp "$1" query-status)"
}

# is WANTED COMMAND...: does it print that?
is() {
    local wanted=$1
    shift
    [ "$("$@")" = "$wanted" ]
}

# migration_ended SIDE
migration_ended() {
    case $(migration "$1") in
    completed | failed | cancelled) ;;
    *) return 1 ;;
    esac
}

job_ready() {
    qmp "$1" query-block-jobs | jq -e --arg job "$2" \
        '.[] | select(.device==$job) | .ready and .len==.offset' >/dev/null
}

no_job() {
    [ "$(qmp "$1" query-block-jobs)" = '[]' ]
}

# dirty_granules SIDE NODE NAME: numbers of the granules that are dirty, one space between, in one moment
dirty_granules() {
    local side=$1 node=$2 name=$3
    qmp "$side" transaction "$(jq -nc --arg node "$node" --arg name "$name" '{actions:[
        {type:"block-dirty-bitmap-add",
         data:{node:$node,name:"oracle",granularity:'$granule',disabled:true}},
        {type:"block-dirty-bitmap-merge",data:{node:$node,target:"oracle",bitmaps:[$name]}}]}')"
    qmp_try "$side" nbd-server-start "$(jq -nc --arg path "$scratch/$side.oracle" \
        '{addr:{type:"unix",data:{path:$path}}}')" >/dev/null
    qmp "$side" block-export-add "$(jq -nc --arg node "$node" \
        '{type:"nbd",id:"oracle","node-name":$node,name:"oracle",bitmaps:["oracle"]}')"
    granules_of "nbd+unix:///oracle?socket=$(nbd_socket "$side")" oracle
    qmp "$side" block-export-del '{"id":"oracle"}'
    wait_for 30 no_export "$side" oracle
    qmp "$side" block-dirty-bitmap-remove "$(jq -nc --arg node "$node" '{node:$node,name:"oracle"}')"
}

# The server that runs: the mirror's, or ours.
nbd_socket() {
    if [ -S "$scratch/$1.nbd" ]; then
        printf '%s' "$scratch/$1.nbd"
    else
        printf '%s' "$scratch/$1.oracle"
    fi
}

no_export() {
    qmp "$1" query-block-exports | jq -e --arg id "$2" 'all(.[]; .id!=$id)' >/dev/null
}

granules_of() {
    nbdinfo --json --map="qemu:dirty-bitmap:$2" "$1" | jq -r "[.[] | select(.type==1) |
        range(.offset / $granule | floor; (.offset + .length) / $granule | ceil)] | join(\" \")"
}

ended_process() {
    ! readlink -q "/proc/$1/exe" >/dev/null
}

# stored_granules IMAGE NAME: of an image that nobody has open; nothing if it cannot be used
stored_granules() {
    qemu-img info --output=json "$1" | jq -e --arg name "$2" '."format-specific".data.bitmaps[]? |
        select(.name==$name) | .flags | index("in-use") | not' >/dev/null || return 0
    printf 'stored: '
    # It forks when it listens: a socket that is there may not be listened at yet.
    qemu-nbd --fork --pid-file="$scratch/stored.pid" -r -f qcow2 -B "$2" -k "$scratch/stored.nbd" "$1"
    granules_of "nbd+unix:///?socket=$scratch/stored.nbd" "$2"
    kill "$(cat "$scratch/stored.pid")" 2>/dev/null || true # if nobody has come
    wait_for 30 ended_process "$(cat "$scratch/stored.pid")"
    rm -f "$scratch/stored.nbd"
}
