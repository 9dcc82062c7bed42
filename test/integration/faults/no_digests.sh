#!/bin/bash
# QEMUs without the commands that begin with "x-": what they do not tell is found out otherwise.  And they say that they
# are QEMU 10.1, whose mirrors leave zeroes out: what the guest writes in the end comes as deltas (FAULTS.md, 44).
. "$(dirname "$0")/../dest/lib.sh"

# hide SIDE: bitferry talks to this QEMU through a filter, and sees and reaches no such command
hide() {
    local side=$1
    mkfifo "$scratch/$side.back"
    (
        nc -lU "$scratch/$side.old.qmp" <"$scratch/$side.back" | tee "$scratch/$side.asked" |
            sed -u 's/"x-debug-/"gone-/' |
            nc -U "$scratch/$side.qmp" |
            sed -u 's/{"name": "x-[^}]*}, //g; s/, {"name": "x-[^}]*}//g
                s/"qemu": {"micro": [0-9]*, "minor": [0-9]*, "major": [0-9]*}/"qemu": {"micro": 0, "minor": 1, "major": 10}/' \
                >"$scratch/$side.back"
    ) &
    wait_for 10 [ -S "$scratch/$side.old.qmp" ]
}

begin_pair
for name in fine swapped other; do
    qmp source block-dirty-bitmap-add "{\"node\":\"vda\",\"name\":\"$name\",\"persistent\":true,\"granularity\":$granule}"
done
guest_writes source vda 20
qmp source block-dirty-bitmap-disable '{"node":"vda","name":"swapped"}'
qmp source block-dirty-bitmap-clear '{"node":"vda","name":"other"}'
guest_writes source vda 21
qmp source block-dirty-bitmap-disable '{"node":"vda","name":"other"}'
frozen=$(digest_in source old) # by the test's own way to QEMU
hide source
hide dest
begin_daemons
arriving=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.old.qmp" --disk copy=vda)
leaving=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.old.qmp" \
    --peer "127.0.0.1:$port" --disk copy=vda) # a mirror whose job has the disk's name
install
# of a frozen bitmap one block goes, another comes: the count stays
qmp source block-dirty-bitmap-clear '{"node":"vda","name":"swapped"}'
qmp source block-dirty-bitmap-merge '{"node":"vda","target":"swapped","bitmaps":["other"]}'
recorded=$(digest_in source new)
in_log source 'DRAINING -> INSTALLED' || die "$(cat "$scratch/source.log")"
way_migrate
wait_for 60 in_log source 'LOADING_DELTA -> EXAMINING'
way_complete
wait_for 60 is running run_state dest
wait_for 60 ended dest "$arriving" committed
wait_for 60 ended source "$leaving" committed
equal "$recorded" "$(digest_in dest new)" "QEMU's digest of the recording bitmap"
equal "$frozen" "$(digest_in dest old)" "QEMU's digest of the frozen bitmap"
guest_writes dest vda 9
equal "5 6 7 9 20 21" "$(dirty_granules dest vda new)" "the recording bitmap"
equal "6 7 9 20 21" "$(dirty_granules dest vda fine)" "the other recording bitmap"
equal "1 2 3" "$(dirty_granules dest vda old)" "the frozen bitmap"
equal "21" "$(dirty_granules dest vda other)" "the other frozen bitmap"
equal "dropped BITMAP_CHANGED" "$(row dest swapped)" "the frozen bitmap that was changed"
equal "" "$(bitmap dest vda swapped)" "at the destination"
nothing_left "without digests"
for side in source dest; do
    qmp "$side" query-commands | grep -q '"x-debug-' || die "there was nothing to hide in $side"
    grep -q query-named-block-nodes "$scratch/$side.asked" || die "$side was not asked"
    grep '"x-debug-block' "$scratch/$side.asked" && die "$side was asked for what it does not have"
done
ok "carried and judged without x- commands"
