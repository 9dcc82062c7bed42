# shellcheck shell=bash
# A case with the guest off: it has run at the source, its image is copied by qemu-img or cp, and it runs again
# at the destination, or, where the move is given up, at the source.

: "${by:?}" "${scratch:?}" "${layers:?}" "${ending:?}" "${recording:?}" "${stored:?}" "${uuid:?}"
refused='' # what bitferry said at once

# The source's machine has run, and is shut off.
offline_source() {
    begin_source
    end_qemu source
    if [ "$stored" = transient ]; then
        covered=()
    elif [ "$layers" = flat ]; then
        covered=(5 "${covered[@]}") # of the image below, which has the checkpoint too
    fi
}

# An orchestrator may replace it.
way_copy_off() {
    case $layers in
    chain)
        cp "$image_source" "$image_dest"
        qemu-img rebase -u -b "$scratch/below-dest.qcow2" -F qcow2 "$image_dest"
        ;;
    *) qemu-img convert -n -O "$format_dest" "$image_source" "$image_dest" ;;
    esac
}

# begin_end ROLE COMMAND OPTION...: its id, or why it is refused
begin_end() {
    local role=$1
    shift
    if ! move[$role]=$(order "$role" "$@" --quiet --json --vm ferry --uuid "$uuid" 2>"$scratch/refusal"); then
        refused=$(jq -r '.error.code // empty' <<<"${move[$role]}")
        [ -n "$refused" ] || refused=$(grep -oE '\([A-Z_0-9]+\)' "$scratch/refusal" | tr -d '()' | tail -n 1)
        unset "move[$role]"
        return 1
    fi
    move[$role]=$(jq -r .id <<<"${move[$role]}")
}

offline_start() {
    begin_end source start --peer "$peer" --image "vda=$image_source"
}

offline_expect() {
    begin_end dest expect --image "vda=$image_dest"
}

offline_move() {
    start_helpers
    case $ending in
    source-helper-lost)
        offline_start || return 0
        helper_lost source
        way_copy_off
        helper_returns
        offline_expect || return 0
        ;;
    dest-helper-lost)
        way_copy_off
        offline_expect || return 0
        helper_lost dest
        offline_start || return 0
        helper_returns
        ;;
    *)
        offline_start || return 0
        way_copy_off
        [ "$ending" != cancelled ] || order source abort --quiet "${move[source]}" >"$scratch/aborted"
        offline_expect || return 0
        [ "$ending" != cancelled ] || order dest abort --quiet "${move[dest]}" >"$scratch/aborted"
        ;;
    esac
    lost=''
    helpers_end
}

# The machine runs again.
start_again() {
    rm -f "$scratch/$1.pipe.in" "$scratch/$1.pipe.out" "$scratch/$1.qmp"
    way_qemu "$1" "$2" qcow2
    plain_disk "$1" vda "$2" qcow2
    [ "$recording" = frozen ] || covered+=("$3")
    hmp "$1" "qemu-io vda \"write -P 9 $(($3 * granule)) $granule\"" >/dev/null
}

# What stands below is as it was, if there is something.
below_is_whole() {
    [ "$layers" != chain ] || [ "$(stored_granules "$scratch/below-dest.qcow2" c)" = 'stored: 5' ]
}

offline_report() {
    local found
    if [ -n "$refused" ]; then
        echo "refused-$refused"
    elif [ "$ending" = cancelled ]; then
        start_again source "$image_source" 60
        report_source
    else
        below_is_whole || die "the image below has not its own bitmap: $(qemu-img info "$scratch/below-dest.qcow2")"
        start_again dest "$image_dest" 50
        found=$(report_dest)
        helpers_report "$found"
    fi
}

offline_case() {
    way_images
    offline_source
    if [ "$by" = bitferry ]; then
        offline_move
    else
        way_copy_off
    fi
    offline_report
}
