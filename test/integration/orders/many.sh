#!/bin/bash
# Four VMs go at once from one host to the other, through one pair of daemons that are killed on the way; one of
# them is given up, and another's QEMU dies.  Each ends as if it had been alone.
. "$(dirname "$0")/../faults/lib.sh"
vms=(1 2 3 4)

# ---- one VM: its QEMUs, mirror and orchestrator, in a process of its own ----

ended_as() {
    is "$2" state "$1" "$3"
}

# kept WHAT: the source's bitmaps record on, the destination has none
kept() {
    equal "1 2 3" "$(dirty_granules source vda old)" "$1: the frozen bitmap of the source"
    equal "5 6 1$BF_VM" "$(dirty_granules source vda new)" "$1: the recording bitmap of the source"
    wait_for 30 cleaned source
}

cleaned() {
    (clean "$1") 2>/dev/null
}

# The others' ends are of no interest here.
one_vm() {
    uuid=5c0ffee0-0000-4000-8000-00000000000$BF_VM
    for side in source dest; do
        ln -s "$BF_DAEMONS/$side.run" "$scratch/$side.run"
    done
    begin_pair
    arriving=$(order dest expect --quiet --vm "vm$BF_VM" --uuid "$uuid" --qmp "$scratch/dest.qmp" --disk vda=vda)
    leaving=$(order source start --quiet --vm "vm$BF_VM" --uuid "$uuid" --qmp "$scratch/source.qmp" \
        --peer "127.0.0.1:$BF_PORT" --disk vda=vda)
    way_copy
    guest_writes source vda 6
    order source wait "$leaving" --for installed --timeout 60 >/dev/null
    guest_writes source vda "1$BF_VM"
    wait_for 60 [ -e "$BF_DAEMONS/go-on" ]
    case $BF_VM in
    3)
        order source abort "$leaving" >/dev/null
        wait_for 60 ended_as dest failed "$arriving"
        kept "given up"
        cleaned dest || die "vm3: the destination has temporaries left"
        ;;
    4)
        end_qemu dest KILL
        wait_for 60 ended_as dest failed "$arriving"
        wait_for 60 ended_as source failed "$leaving"
        kept "the destination's QEMU is gone"
        ;;
    *)
        way_migrate
        way_complete
        wait_for 60 is running run_state dest
        guest_writes dest vda 30
        fails_with 0 '' order dest wait "$arriving" --timeout 60
        fails_with 0 '' order source wait "$leaving" --timeout 60
        equal "5 6 1$BF_VM 30" "$(dirty_granules dest vda new)" "vm$BF_VM: the recording bitmap"
        equal "1 2 3" "$(dirty_granules dest vda old)" "vm$BF_VM: the frozen bitmap"
        equal "" "$(bitmap source vda new)$(bitmap source vda old)" "vm$BF_VM: bitmaps left at the source"
        clean source
        clean dest
        ;;
    esac
}

if [ -n "${BF_VM:-}" ]; then
    one_vm
    exit 0
fi

# ---- the host's daemons ----

begin_daemons
for vm in "${vms[@]}"; do
    run_child env BF_VM="$vm" BF_DAEMONS="$scratch" BF_PORT="$port" bash "$0"
    children[vm]=$child
done
all_installed() {
    order source list --json | jq -e --argjson nr ${#vms[@]} \
        '[.moves[] | select(.milestones | index("installed"))] | length == $nr' >/dev/null
}
wait_for 60 all_installed
for side in source dest; do
    equal ${#vms[@]} "$(ls "$scratch/$side.state/moves" | wc -l)" "folders of moves at the $side"
    equal ${#vms[@]} "$(order "$side" list | grep -c 'under-way')" "moves that $side lists"
    order "$side" status >"$scratch/shown"
    for vm in "${vms[@]}"; do
        grep -qE "^vm$vm  $side  [0-9a-f]{32}\$" "$scratch/shown" || die "$(cat "$scratch/shown")"
    done
    equal $((2 * ${#vms[@]})) "$(grep -cE '^    (new|old) ' "$scratch/shown")" "bitmaps in the status of $side"
done
ok "${#vms[@]} moves are installed at once, each with a folder of its own"

for side in source dest; do
    kill_daemon "$side"
    begin_daemon "$side"
done
wait_for 60 all_installed # it begins anew, and until then a switchover would cost the bitmaps
touch "$scratch/go-on"
for vm in "${vms[@]}"; do
    wait "${children[vm]}" || die "vm$vm"
done
equal "committed committed failed failed" "$(order dest list --json |
    jq -r '[.moves | sort_by(.vm)[].state] | join(" ")')" "the ends at the destination"
equal "committed committed aborted failed" "$(order source list --json |
    jq -r '[.moves | sort_by(.vm)[].state] | join(" ")')" "the ends at the source"
for side in source dest; do
    equal "" "$(pgrep -P "${daemon[$side]}" || true)" "children of bitferry-$side"
done
no_carriers || die "carriers are left: $(ls -R "$scratch/carriers")"
ok "both daemons were killed, and two moves carry on while one is given up and one loses its QEMU"
