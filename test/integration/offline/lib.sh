# shellcheck shell=bash
# A machine that is shut off, its images, and both daemons: what the tests of offline moves share.
#
#     make_image FILE [below FILE]   with writes, and two checkpoints: "old" is frozen, "new" records
#     begin_daemons                  bitferry-source and bitferry-dest, on loopback
#     start_off NAME=FILE...         `bitferry start --image`; $leaving
#     expect_off NAME=FILE...        `bitferry expect --image`; $arriving
#     settle                         both have committed, and nothing is left of the move

. "$(dirname "${BASH_SOURCE[0]}")/../faults/lib.sh"
leaving='' arriving=''

# put FILE GRANULE...: a guest that runs for a moment writes them
put() {
    local file=$1 at commands=()
    shift
    for at; do
        commands+=(-c "write -P 7 $((at * granule)) $granule")
    done
    qemu-io "${commands[@]}" "$file" >/dev/null
}

# checkpoint FILE NAME
checkpoint() {
    qemu-img bitmap --add -g "$granule" "$1" "$2"
}

# make_image FILE: blocks 1 2 3 between "old" and "new", block 5 since "new"
make_image() {
    qemu-img create -q -f qcow2 "$1" "$disk_size"
    put "$1" 0 9
    checkpoint "$1" old
    put "$1" 1 2 3
    qemu-img bitmap --disable "$1" old
    checkpoint "$1" new
    put "$1" 5
}

# images_of NAME=FILE...: as options, into $options
images_of() {
    local image
    options=()
    for image; do
        options+=(--image "$image")
    done
}

start_off() {
    local options
    images_of "$@"
    leaving=$(order source start --quiet --vm ferry --uuid "$uuid" --peer "127.0.0.1:$port" "${options[@]}")
}

expect_off() {
    local options
    images_of "$@"
    arriving=$(order dest expect --quiet --vm ferry --uuid "$uuid" "${options[@]}")
}

# ended SIDE ID STATE
ended() {
    is "$3" state "$1" "$2"
}

# both_end STATE-AT-SOURCE STATE-AT-DEST
both_end() {
    wait_for 60 ended source "$leaving" "$1"
    wait_for 60 ended dest "$arriving" "$2"
    nothing_left
}

settle() {
    both_end committed committed
}

# nothing_left: no carriers, no children, no work folders, and every image is in order
nothing_left() {
    local side image
    no_carriers || die "carriers are left: $(ls -R "$scratch/carriers")"
    for side in source dest; do
        equal "" "$(pgrep -P "${daemon[$side]}" || true)" "children of bitferry-$side"
    done
    equal "" "$(find "$scratch" -name '.*.bitferry')" "work folders"
    for image in "$scratch"/*.qcow2; do
        qemu-img check -q "$image" || die "$image is damaged"
    done
}

# row SIDE DISK BITMAP: outcome and reason
row() {
    local id=$leaving
    [ "$1" = source ] || id=$arriving
    order "$1" status --json "$id" | jq -r --arg disk "$2" --arg name "$3" '.moves[0].bitmaps[] |
        select(.disk==$disk and .bitmap==$name) |
        [.outcome, (.reason.message // empty | split(":")[0])] | join(" ")'
}

# flags FILE BITMAP: of the bitmap in the image; nothing if it is not there
flags() {
    qemu-img info --output=json "$1" | jq -r --arg name "$2" '."format-specific".data.bitmaps[]? |
        select(.name==$name) | .flags | join(" ")'
}

# bitmaps FILE: all names in the image
bitmaps() {
    qemu-img info --output=json "$1" | jq -r '[."format-specific".data.bitmaps[]?.name] | sort | join(" ")'
}

# carried FILE: both checkpoints of make_image(), exactly
carried() {
    equal "stored: 1 2 3" "$(stored_granules "$1" old)" "the frozen bitmap in $1"
    equal "" "$(flags "$1" old)" "its state"
    equal "stored: 5" "$(stored_granules "$1" new)" "the recording bitmap in $1"
    equal "auto" "$(flags "$1" new)" "its state"
}
