# shellcheck shell=bash
# Two QEMUs without a guest, a mirror between them, and both daemons: what the tests of faults share.
#
#     begin_pair       QEMUs, images, bitmaps "old" (frozen) and "new" (recording) on the disk vda
#     begin_daemons    bitferry-source and bitferry-dest, on loopback
#     order SIDE ...   bitferry at that side's daemon
#     start_move       `expect` and `start`; the ids are in $arriving and $leaving
#     mirror, pause, complete    what an orchestrator does

folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$folder/../lib.sh"
mode=nbd layers=one
. "$folder/../../modes/pair.sh"
. "$folder/../../modes/ways.sh"
export LC_ALL=C.UTF-8
declare -A daemon
: "${mode:?}" "${layers:?}" "${uuid:?}" "${child=}"
# Below the ports that the system itself gives out, and some for each test that runs at the time; a daemon that a test
# before has left behind (its time was over, and it was killed) has one of its own still.
port=$((10000 + $$ % 2500 * 8))
while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
    port=$((port < 29992 ? port + 8 : 10000))
done

begin_pair() {
    way_images
    way_qemu source "$image_source" qcow2
    guest_disk source vda "$image_source" qcow2
    way_qemu dest "$image_dest" "$format_dest" -incoming defer
    way_open
    qmp dest migrate-incoming "{\"uri\":\"unix:$scratch/ram\"}"
    add_bitmap source vda old recording persistent
    guest_writes source vda 1 2 3
    qmp source block-dirty-bitmap-disable '{"node":"vda","name":"old"}'
    add_bitmap source vda new recording persistent
    guest_writes source vda 5
}

# configure SIDE [LINE...]
configure() {
    local side=$1
    shift
    mkdir -p "$scratch/carriers"
    printf '%s\n' "[$side]" "state_dir = $scratch/$side.state" "run_dir = $scratch/$side.run" \
        "carrier_dir = $scratch/carriers" 'address = 127.0.0.1' "port = $port" \
        'plain_on_loopback = yes' 'log_level = debug' "$@" >"$scratch/$side.conf"
}

# begin_daemon SIDE [VARIABLE=VALUE...]
begin_daemon() {
    local side=$1
    shift
    : >"$scratch/$side.log"
    run_child env "$@" "$BF_BUILD/bitferry-$side" --config "$scratch/$side.conf" 2>>"$scratch/$side.log"
    daemon[$side]=$child
    wait_for 30 grep -q 'ready at' "$scratch/$side.log"
}

begin_daemons() {
    configure source "$@"
    configure dest "$@"
    begin_daemon source
    begin_daemon dest
}

# kill_daemon SIDE
kill_daemon() {
    kill -9 "${daemon[$1]}"
    wait "${daemon[$1]}" 2>/dev/null || true
}

# order SIDE COMMAND ARGUMENT...
order() {
    local side=$1 command=$2
    shift 2
    "$BITFERRY" "$command" --socket "$scratch/$side.run/control.sock" "$@"
}

expect_vm() {
    arriving=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" --disk vda=vda)
}

# start_vm [OPTION...]: $vm is what it is called at the source, "ferry" if that is not set;
# $snapshots: when they are taken
start_vm() {
    leaving=$(order source start --quiet --vm "${vm:-ferry}" --uuid "$uuid" --qmp "$scratch/source.qmp" \
        --peer "${peer:-127.0.0.1:$port}" --snapshots "${snapshots:-auto}" --disk vda=vda "$@")
}

start_move() {
    expect_vm
    start_vm "$@"
}

# phase SIDE ID
phase() {
    order "$1" status --json "$2" | jq -r '.moves[0].phase'
}

# state SIDE ID
state() {
    order "$1" status --json "$2" | jq -r '.moves[0].state'
}

# in_log SIDE TEXT
in_log() {
    grep -qE -- "$2" "$scratch/$1.log"
}

# ours SIDE: names of bitferry's temporary bitmaps in that QEMU
ours() {
    qmp "$1" query-named-block-nodes '{"flat":true}' |
        jq -r '.[] | ."dirty-bitmaps"[]? | .name // "" | select(startswith("bitferry-tmp."))'
}

# clean SIDE: nothing of a move is left in that QEMU and in the folders
clean() {
    [ -z "$(ours "$1")" ] || die "$1 has temporaries left: $(ours "$1")"
    equal 0 "$(qmp "$1" query-named-block-nodes '{"flat":true}' |
        jq '[.[] | select(."node-name" | startswith("bf-"))] | length')" "nodes of ours in $1"
}

no_carriers() {
    [ -z "$(ls -A "$scratch/carriers")" ]
}

digest_in() {
    qmp "$1" x-debug-block-dirty-bitmap-sha256 "$(jq -nc --arg name "$2" '{node:"vda",name:$name}')" |
        jq -r .sha256
}
