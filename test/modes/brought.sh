#!/usr/bin/env bash
# What QEMU itself brings, where bitferry carries nothing (`--handover native`): by what it is proven, and that a
# bitmap with too few blocks is found out although its count tells nothing.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=test/integration/lib.sh
. "$here/../integration/lib.sh"
# shellcheck source=test/modes/pair.sh
. "$here/pair.sh"
export by=bitferry
# shellcheck source=test/modes/helpers.sh
. "$here/helpers.sh"

start_helpers

# map SIDE NODE
map() {
    capabilities "$1" dirty-bitmaps
    qmp "$1" migrate-set-parameters "$(jq -nc --arg node "$2" '{"block-bitmap-mapping":
        [{"node-name":$node,alias:"disk",bitmaps:[{name:"c",alias:"c"},{name:"ice",alias:"ice"}]}]}')"
}

# The destination's guest waits to be told: what it has done when bitferry looks is the test's to say.
begin_move() {
    local side
    for side in source dest; do
        qemu-img create -q -f qcow2 "$scratch/$side.qcow2" "$disk_size"
    done
    qemu source -machine none
    guest_disk source vda "$scratch/source.qcow2" qcow2
    qemu dest -machine none -incoming defer -S
    plain_disk dest there "$scratch/dest.qcow2" qcow2
    add_bitmap source vda c recording persistent
    add_bitmap source vda ice recording persistent
    guest_writes source vda 10 11
    qmp source block-dirty-bitmap-disable '{"node":"vda","name":"ice"}'
    map source vda
    map dest there
    qmp dest migrate-incoming "{\"uri\":\"unix:$scratch/ram\"}"
    move[dest]=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" --disk vda=there)
    move[source]=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
        --peer "$peer" --disk vda=vda --handover native)
    order source wait --quiet --for installed --timeout 60 "${move[source]}"
}

# arrive GRANULE...: written behind the snapshot; then over there, where the guest still waits
arrive() {
    [ $# = 0 ] || guest_writes source vda "$@"
    capabilities source pause-before-switchover
    qmp source migrate "{\"uri\":\"unix:$scratch/ram\"}"
    wait_for 60 is pre-switchover migration source
    [ -n "${blind:-}" ] || order source wait --quiet --for frozen --timeout 60 "${move[source]}"
    qmp source migrate-continue '{"state":"pre-switchover"}'
    wait_for 60 is completed migration source
    wait_for 60 is paused run_state dest
    # From QEMU 10.0 on that is done when the guest goes on, and nobody can write before
    qmp_try dest blockdev-set-active '{"active":true}' >/dev/null
    [ -n "${blind:-}" ] || end_qemu source
}

# bring GRANULE...: as if QEMU had brought c with these alone
bring() {
    qmp dest block-dirty-bitmap-remove '{"node":"there","name":"c"}'
    add_bitmap dest there c recording persistent
    guest_writes dest there "$@"
}

# What is said in the end, of c and of the frozen one
verdict() {
    local side
    qmp dest cont
    for side in dest source; do
        order $side wait --quiet --for committed --timeout 60 "${move[$side]}" >/dev/null 2>&1 || true
    done
    check_leftovers
    order dest status --json "${move[dest]}" | jq -r '[.moves[0].bitmaps | sort_by(.bitmap)[] |
        "\(.bitmap) \(.outcome) \(.proof // .reason.code)"] | join(", ")'
}

end_pair() {
    end_qemu dest
    [ -z "${qemu_pid[source]:-}" ] || end_qemu source
    rm -f "$scratch"/*.pipe.in "$scratch"/*.pipe.out
}

begin_move
arrive 20
guest_writes dest there 30 # in NATIVE as in UNITED: it does not spoil the proof
equal "c native bits, ice native digest" "$(verdict)" "all that was dirty has come"
equal "10 11 20 30" "$(dirty_granules dest there c)" "c"
end_pair
ok "a bitmap that QEMU brings is proven bit by bit, while the guest writes on"

begin_move
arrive
equal "c native bits, ice native digest" "$(verdict)" "nothing was written behind the snapshot"
end_pair
ok "of an empty delta the count is enough"

begin_move
arrive 20
bring 10 20 40 41
equal "c dropped BROUGHT_SHORT, ice native digest" "$(verdict)" "block 11 of the snapshot is missing"
equal "" "$(bitmap dest there c)" "c, which was removed"
grep -q 'of bitmap c QEMU has brought 4 dirty blocks, but 5 are needed' "$scratch/dest/log" ||
    die "the log does not tell it"
end_pair
begin_move
arrive 20
bring 10 11 40
equal "c dropped BROUGHT_SHORT, ice native digest" "$(verdict)" "block 20 of the delta is missing"
end_pair
ok "what is missing is found out where the count hides it: in the snapshot, and in the delta"

# QEMU ends before anybody could read the delta, as under libvirt without an image to keep it in
blind=yes
lose_delta() {
    kill -STOP "${helper[source]}"
    arrive 20
    end_qemu source KILL
    kill -CONT "${helper[source]}"
}
begin_move
lose_delta
equal "c native count, ice native digest" "$(verdict)" "what was written last is not known"
order dest status --json "${move[dest]}" | jq -r '.moves[0].bitmaps[].note // empty' | grep -q 'by its count alone' ||
    die "that the proof is a weak one is not told"
end_pair
ok "without the delta only the count speaks for it, and that is told"

begin_move
lose_delta
bring 10 40 41
equal "c dropped BROUGHT_SHORT, ice native digest" "$(verdict)" "block 11 of the snapshot is missing"
end_pair
ok "the snapshot alone still finds out what is missing of it"

helper_lost dest
echo 'require_bits = yes' >>"$scratch/dest/conf"
helper_returns
begin_move
lose_delta
equal "c dropped BROUGHT_UNPROVEN, ice native digest" "$(verdict)" "a count is not enough"
equal "" "$(bitmap dest there c)" "c, which was removed"
end_pair
blind=''
begin_move
arrive 20
equal "c native bits, ice native digest" "$(verdict)" "bits are"
end_pair
ok "require_bits: nothing stays that only its count speaks for"

# A daemon that is killed in between finds what it has fetched
begin_move
arrive 20
helper_lost dest
helper_returns
equal "c native bits, ice native digest" "$(verdict)" "after a restart of bitferry-dest"
end_pair
ok "bitferry-dest may be killed between the fetching and the arrival"
