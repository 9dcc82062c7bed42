#!/usr/bin/env bash
# case.sh BY MODE BITMAP STORED GUEST LAYERS ENDING: one line of the table, on a real pair of QEMUs.
# Prints what became of the bitmap.
set -euo pipefail
by=$1 mode=$2 recording=$3 stored=$4 guest=$5 layers=$6 ending=$7
mapping=ours wish=()
case $ending in
*-helper-lost) peer_patience=60 ;; # the other waits for it, however slow this machine is
esac
case $by,$mode in
bitferry,asked) mode=stream mapping=bitferry wish=(--mode vda=stream) ;;
bitferry,block) mapping=bitferry ;;
esac
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=test/integration/lib.sh
. "$here/../integration/lib.sh"
# shellcheck source=test/modes/pair.sh
. "$here/pair.sh"
# shellcheck source=test/modes/ways.sh
. "$here/ways.sh"
if [ -n "${BF_MODES_WAYS:-}" ]; then
    # shellcheck source=/dev/null
    . "$BF_MODES_WAYS"
fi
# shellcheck source=test/modes/helpers.sh
. "$here/helpers.sh"

covered=() # granules that the bitmap must have, in ascending order
# What the image below has in a bitmap of that name ends in the same image; QEMU alone forgets it.
[ "$mode" = offline ] || [ "$by,$layers" != bitferry,flat ] || covered=(5)

# write SIDE GRANULE: by the guest; counts where the bitmap records
write() {
    guest_writes "$1" vda "$2"
    [ "$recording" = frozen ] || covered+=("$2")
}

# busy SIDE GRANULE: only if the guest is one that writes all the while
busy() {
    [ "$guest" != writing ] || write "$1" "$2"
}

begin_source() {
    way_qemu source "$image_source" qcow2
    [ "$mode" = block ] || guest_disk source vda "$image_source" qcow2
    guest_writes source vda 1 2 # before the checkpoint
    add_bitmap source vda c recording "$stored"
    guest_writes source vda 10 11 20
    covered+=(10 11 20)
    if [ "$recording" = frozen ]; then
        qmp source block-dirty-bitmap-disable '{"node":"vda","name":"c"}'
        guest_writes source vda 30
    fi
    [ "$guest" != paused ] || qmp source stop
}

begin_dest() {
    way_qemu dest "$image_dest" "$format_dest" -incoming defer
    way_open
    qmp dest migrate-incoming "{\"uri\":\"unix:$scratch/ram\"}"
}

complete() {
    helpers_paused
    way_complete
    is completed migration source || return 0
    wait_for 60 migration_ended dest
    if [ "$guest" = paused ]; then
        wait_for 60 is paused run_state dest
        qmp dest cont
    fi
    wait_for 60 is running run_state dest
    busy dest 50
}

finish() {
    case $ending in
    completed | no-pause | rushed) complete ;;
    cancelled)
        qmp source migrate_cancel
        wait_for 60 is cancelled migration source
        ;;
    source-lost) end_qemu source KILL ;;
    dest-lost)
        end_qemu dest KILL
        qmp source migrate-continue '{"state":"pre-switchover"}'
        wait_for 60 is failed migration source
        ;;
    source-helper-lost | dest-helper-lost)
        helper_lost "${ending%-helper-lost}"
        complete
        ;;
    *) die "no such ending: $ending" ;;
    esac
    helpers_end
}

# judge GRANULE...: what is there against what must be
judge() {
    local is=" $* " granule missing=no more=no
    for granule in ${covered[@]+"${covered[@]}"}; do
        [[ $is == *" $granule "* ]] || missing=yes
    done
    [ $# -eq ${#covered[@]} ] || more=yes
    if [ $missing = yes ]; then
        printf 'MISSED-A-BLOCK(%s)' "$*"
    elif [ $more = yes ]; then
        printf 'superset'
    else
        printf 'exact'
    fi
}

# What is at the destination: exact, superset, lost, inconsistent, frozen; with the state it should not have.
look_at_dest() {
    local state flags=
    state=$(bitmap dest vda c)
    if [ -z "$state" ]; then
        echo lost
        return
    fi
    if jq -e .inconsistent <<<"$state" >/dev/null; then
        echo inconsistent
        return
    fi
    is "$([ "$recording" = recording ] && echo true || echo false)" jq .recording <<<"$state" ||
        flags+=,wrong-state
    is "$([ "$stored" = persistent ] && echo true || echo false)" jq .persistent <<<"$state" ||
        flags+=,"now-$([ "$stored" = persistent ] && echo transient || echo persistent)"
    # shellcheck disable=SC2046 # granules are words
    printf '%s%s\n' "$(judge $(dirty_granules dest vda c))" "$flags"
}

# What a clean shutdown leaves: nothing is carried that QEMU does not store.
look_at_image() {
    local granules
    granules=$(stored_granules "$1" c)
    case $granules in
    stored:*)
        # shellcheck disable=SC2086
        judge ${granules#stored:}
        ;;
    *) printf 'not-stored' ;;
    esac
}

# The guest is at the destination: the bitmap there, as it is now and as it will be stored.
report_dest() {
    local now image
    now=$(look_at_dest)
    case $now in
    lost | inconsistent) ;;
    *,now-transient) ;;
    *)
        if [ "$stored" = persistent ]; then
            end_qemu dest
            image=$(look_at_image "$image_dest")
            is "${now%%,*}" echo "$image" || now+=",$image"
        fi
        ;;
    esac
    echo "$now"
}

# The guest stays: its bitmap goes on, and is stored at its end.
report_source() {
    local state image
    [ "${covered[0]:-}" != 5 ] || covered=("${covered[@]:1}") # that is in the image below, still
    [ "$guest" = paused ] || wait_for 60 is running run_state source
    busy source 60
    state=$(bitmap source vda c)
    [ -n "$state" ] || {
        echo lost-at-source
        return
    }
    # shellcheck disable=SC2046
    image=$(judge $(dirty_granules source vda c))
    if [ "$stored" = persistent ] && [ "$image" = exact ]; then
        end_qemu source
        image=$(look_at_image "$image_source")
    fi
    case $image in
    exact) echo source-kept ;;
    *) echo "source,$image" ;;
    esac
}

report() {
    case $ending in
    source-lost) look_at_dest ;;
    cancelled | dest-lost) report_source ;;
    *)
        if is completed migration source; then
            report_dest
        else
            printf 'migration-%s,' "$(migration source)"
            report_source
        fi
        ;;
    esac
}

if [ "$mode" = offline ]; then
    # shellcheck source=test/modes/offline.sh
    . "$here/offline.sh"
    offline_case
    exit
fi
# An orchestrator that does not pause the guest before the switchover, or waits for nobody.
[ "$ending" != no-pause ] || way_migrate() { :; }
[ "$ending" != no-pause ] || way_complete() {
    qmp source migrate "{\"uri\":\"unix:$scratch/ram\"}"
    wait_for 60 migration_ended source
}
[ "$ending" != rushed ] || helpers_copied() { :; }
[[ $ending != @(rushed|no-pause) ]] || helpers_paused() { :; }

way_images
begin_source
begin_dest
helpers_begin
busy source 40
way_copy
busy source 41
helpers_copied
busy source 42
way_migrate
finish
found=$(report)
helpers_report "$found"
