# shellcheck shell=bash
# Two hosts with a network of their own between them, which can be cut, slowed down, and made deaf on one side.
# QEMUs, their mirror and the orders stay outside: what happens to the network happens to the helpers alone.
#
#     begin_hosts       the hosts; then begin_daemons makes bitferry-source and bitferry-dest run there, over TLS
#     cut, mend         the link is silent, and not any more: no reset, no refusal
#     deaf SIDE         what is sent to that side is lost, and it can still be heard
#     slow SIDE RATE    what that side sends

. "$(dirname "${BASH_SOURCE[0]}")/../dest/tls_lib.sh"
declare -A place address=([source]=10.88.0.1 [dest]=10.88.0.2)

on() {
    local side=$1
    shift
    nsenter --target "${place[$side]}" --net -- "$@"
}

has_own_network() {
    [ "$(readlink "/proc/$1/ns/net")" != "$(readlink /proc/self/ns/net)" ]
}

begin_hosts() {
    local side
    for side in source dest; do
        run_child unshare --net tail -f /dev/null
        place[$side]=$child
        wait_for 10 has_own_network "$child"
    done
    on source ip link add wire type veth peer name wire netns "${place[dest]}"
    for side in source dest; do
        on "$side" ip addr add "${address[$side]}/24" dev wire
        on "$side" ip link set wire up
        on "$side" ip link set lo up
    done
    authority ours
    make_host source
    make_host dest
    peer=${address[dest]}
}

make_host() {
    host_address=${address[$1]} host ours "$1.test"
}

# begin_daemon SIDE [VARIABLE=VALUE...]: there
begin_daemon() {
    local side=$1
    shift
    : >"$scratch/$side.log"
    run_child nsenter --target "${place[$side]}" --net -- env "$@" "$BF_BUILD/bitferry-$side" \
        --config "$scratch/$side.conf" 2>>"$scratch/$side.log"
    daemon[$side]=$child
    wait_for 30 grep -q 'ready at' "$scratch/$side.log"
}

# begin_daemons [LINE...]: of both configurations
begin_daemons() {
    local side
    for side in source dest; do
        secure "$side" "ours.$side.test" "$@"
        sed -i "s/^address = .*/address = ${address[$side]}/; s/^port = .*/port = 10810/" "$scratch/$side.conf"
        begin_daemon "$side"
    done
}

cut() {
    on source ip link set wire down
}

mend() {
    on source ip link set wire up
}

# deaf SIDE: the other one sends to an address that no card has
deaf() {
    local other=source
    [ "$1" = dest ] || other=dest
    on "$other" ip neigh replace "${address[$1]}" lladdr 02:00:00:00:00:99 dev wire nud permanent
}

# slow SIDE RATE
slow() {
    on "$1" tc qdisc replace dev wire root tbf rate "$2" burst 4kb latency 400ms
}

# many_bits [GRANULARITY]: a frozen bitmap on vda, with a bit for each 4 KiB of 16 GiB: half a MiB must travel
many_bits() {
    local at
    qmp source block-dirty-bitmap-add '{"node":"vda","name":"many","granularity":'"${1:-4096}"',"persistent":true}'
    for at in $(seq 0 15); do
        hmp source "qemu-io vda \"write -z ${at}G 1G\"" >/dev/null
    done
    qmp source block-dirty-bitmap-disable '{"node":"vda","name":"many"}'
    qmp source block-dirty-bitmap-clear '{"node":"vda","name":"new"}'
    guest_writes source vda 5
}

# half_way: many of its bits are on their way, and not all are there.  What has arrived out of order is not counted as
# fetched yet, so the card is asked.
half_way() {
    [ "$(on source ip -s -j link show wire | jq '.[0].stats64.tx.bytes')" -gt 200000 ] &&
        order dest status --json "$arriving" | jq -e '.moves[0].bitmaps[] | select(.bitmap == "many") |
            .done_bytes < .total_bytes' >/dev/null
}
