#!/bin/bash
# Hosts on which /, /etc and /var are read-only: both daemons work as long as their own folders can be written, and
# they and the commands say what cannot be (FAULTS.md, 71).
. "$(dirname "$0")/../dest/lib.sh"
export TMPDIR=$scratch/tmp

mkdir -p "$scratch/locked" "$TMPDIR"
# "${sealed[@]}" COMMAND...: in a mount namespace where only the test's folder can be written, without $scratch/locked
# shellcheck disable=SC2016
sealed=(unshare --mount --propagation private sh -euc 'mount --bind "$0" "$0"
    mount --bind "$0/locked" "$0/locked"
    for folder in /etc /var; do mount --bind $folder $folder; done
    for folder in / /etc /var "$0/locked"; do mount -o remount,bind,ro "$folder"; done
    for folder in / /etc /var "$0/locked"; do ! touch "$folder/bitferry-test" 2>/dev/null; done
    exec "$@"' "$scratch")

# begin_daemon SIDE: there
begin_daemon() {
    : >"$scratch/$1.log"
    run_child "${sealed[@]}" "$BF_BUILD/bitferry-$1" --config "$scratch/locked/$1.conf" 2>>"$scratch/$1.log"
    daemon[$1]=$child
    wait_for 30 grep -q 'ready at' "$scratch/$1.log"
}

# locked SIDE KEY VALUE: that side's configuration, which it cannot write to, with another value there
locked() {
    mkdir -p "$scratch/locked"
    sed "s|^$2 = .*|$2 = $3|" "$scratch/$1.conf" >"$scratch/locked/$1.conf"
}

begin_pair
for side in source dest; do
    configure $side
    locked $side none none
    begin_daemon $side
done
start_move
install
switch_over
settle "read-only hosts"
ok "moves do not need /, /etc and /var"

for side in source dest; do
    kill_daemon $side
    for key in state_dir run_dir; do
        locked $side $key "$scratch/locked/$key"
        fails_with 1 "$scratch/locked/$key.*: Read-only file system" \
            "${sealed[@]}" timeout 20 "$BF_BUILD/bitferry-$side" --config "$scratch/locked/$side.conf"
    done
done
ok "a daemon says which of its folders cannot be written"

# No carrier can be written, at either side.
rm -rf "$scratch"/*.pipe.* "$scratch"/*.qmp "$scratch"/*.qcow2 "$scratch"/ram "$scratch"/dest.nbd
end_qemu source
end_qemu dest
begin_pair
for side in source dest; do
    locked $side carrier_dir "$scratch/locked"
    begin_daemon $side
done
start_move
install
switch_over
wait_for 60 ended dest "$arriving" committed
wait_for 60 ended source "$leaving" committed
for name in new old; do
    equal "dropped SERVE_FAILED" "$(row source "$name")" "$name"
    equal "" "$(bitmap dest vda "$name")" "$name at the destination"
done
in_log source "$scratch/locked.*Read-only file system" || die "the log does not say why"
order source status "$leaving" | grep -q 'qemu-img bitmap --remove' || die "nobody says that copies are left"
nothing_left "read-only carriers"
ok "no carrier can be written: dropped, with the reason, and the move ends"

# --- what a person calls, on images that cannot be written ---
dirty_image "$scratch/locked/a.qcow2" 64M chk $granule 0 $granule
qemu-img create -q -f qcow2 "$scratch/locked/b.qcow2" 64M
sum=$(sha256sum "$scratch"/locked/[ab].qcow2)
works() {
    "${sealed[@]}" "$BITFERRY" "$@" >"$scratch/said" 2>&1 || die "exit $? of '$*': $(cat "$scratch/said")"
}
works inspect "$scratch/locked/a.qcow2"
works doctor "$scratch/locked/a.qcow2"
works serve "$scratch/locked/a.qcow2" --run "$BITFERRY verify $scratch/locked/a.qcow2 \$uri"
works archive --to "$scratch/archive" "$scratch/locked/a.qcow2"
says() {
    fails_with 1 "$1" "${sealed[@]}" "$BITFERRY" "${@:2}"
}
says 'locked/b.qcow2 cannot be written \(Read-only file system\)' \
    restore --into "$scratch/locked/b.qcow2" "$scratch/archive"
says 'locked.*Read-only file system' archive --to "$scratch/locked/archive" "$scratch/locked/a.qcow2"
TMPDIR=$scratch/locked says "cannot make a folder in '$scratch/locked': Read-only file system" \
    serve "$scratch/locked/a.qcow2" --run true
TMPDIR=$scratch/locked says "cannot make a file in $scratch/locked: Read-only file system" \
    doctor "$scratch/locked/a.qcow2"
equal "$sum" "$(sha256sum "$scratch"/locked/[ab].qcow2)" "the images"
equal "a.qcow2 b.qcow2 dest.conf source.conf" "$(find "$scratch/locked" -mindepth 1 -printf '%f\n' | sort | paste -sd ' ')" "what lies beside them"
equal "" "$(ls -A "$TMPDIR")" "left in the temporary folder"
ok "commands read what cannot be written, and say what they cannot write"
