#!/bin/bash
# Somebody has prepared the folders that the daemons use: links where files are to be made, and keys that others can
# read.  Nothing is written through a link, and nothing of it is used (FAULTS.md, 68).
. "$(dirname "$0")/../dest/tls_lib.sh"

victim=$scratch/victim
mkdir "$victim"
printf 'precious\n' >"$victim/file"
intact() {
    equal "file precious" "$(ls "$victim") $(cat "$victim/file")" "what lies behind the link"
}

begin_pair
begin_daemons 'peer_timeout_s = 5'
expect_vm
# Who can write to carrier_dir (often /dev/shm) learns the names of moves from what others make there.
ln -s "$victim" "$scratch/carriers/bitferry-$arriving"
start_vm
way_copy
wait_for 60 in_log dest "bitferry-$arriving is not this daemon.s folder: remove it"
over() {
    [ "$(state source "$leaving")$(state dest "$arriving")" != under-wayunder-way ]
}
way_migrate
way_complete
wait_for 60 over
intact
equal "" "$(bitmap dest vda new)$(bitmap dest vda old)" "bitmaps that went another way"
rm "$scratch/carriers/bitferry-$arriving"
ok "a link in the folder of carriers is not followed, and the move says so"

refused() {
    fails_with 1 "$2" timeout 20 "$BF_BUILD/bitferry-$1" --config "$scratch/$1.conf"
    intact
}
for side in source dest; do
    kill_daemon "$side"
    for folder in state run; do
        mv "$scratch/$side.$folder" "$scratch/aside"
        ln -s "$victim" "$scratch/$side.$folder"
        refused "$side" 'is a symbolic link or no folder'
        rm "$scratch/$side.$folder"
        mv "$scratch/aside" "$scratch/$side.$folder"
    done
    chmod 777 "$scratch/$side.state"
    refused "$side" 'others may write to the folder'
    chmod 700 "$scratch/$side.state"
done
ok "folders of state and sockets that are links, or open to others, are refused"

authority ours
host ours dest.test
secure dest ours.dest.test
for mode in 0644 0660 0604; do
    chmod "$mode" "$scratch/ours.dest.test/server-key.pem"
    begin_daemon dest
    in_log dest "sources cannot call yet: .*server-key.pem has mode $mode, others could read or change the key" ||
        die "mode $mode: $(cat "$scratch/dest.log")"
    fails_with 1 'has mode' order dest expect --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp"
    kill_daemon dest
done
chmod 0640 "$scratch/ours.dest.test/server-key.pem"
begin_daemon dest
in_log dest 'sources may call' || die "$(cat "$scratch/dest.log")"
ok "a key that others can read or change is not used"
