#!/bin/bash
# Snapshots travel while the mirrors copy; what is written from then on comes behind, until the trackers record.  A
# mirror that breaks before that costs nothing; behind it all begins anew.  QEMU's own bitmaps, which the test adds
# when the snapshots have been taken, say what each bitmap has to be in the end.
. "$(dirname "$0")/lib.sh"
each background write-blocking anew opened begun-before paused unready

# begin_mirror DISK COPY-MODE: onto the export of that name, held to a byte a second: it copies one buffer
begin_mirror() {
    qmp source blockdev-add "$(jq -nc --arg disk "$1" --arg path "$scratch/dest.nbd" '{driver:"nbd",
        "node-name":("peer-"+$disk),export:$disk,server:{type:"unix",path:$path}}')"
    mirror_again "$1" "$2"
}

mirror_again() {
    qmp source blockdev-mirror "$(jq -nc --arg disk "$1" --arg mode "$2" '{"job-id":("copy-"+$disk),device:$disk,
        target:("peer-"+$disk),sync:"full","copy-mode":$mode,speed:1,"buf-size":65536,granularity:65536}')"
}

release_mirror() {
    qmp source block-job-set-speed "{\"device\":\"copy-$1\",\"speed\":0}"
    wait_for 60 job_ready source "copy-$1"
}

# cancel_mirror DISK: by force, as if it had failed
cancel_mirror() {
    qmp source block-job-cancel "{\"device\":\"copy-$1\",\"force\":true}"
    wait_for 30 job_gone "copy-$1"
}

job_gone() {
    qmp source query-block-jobs | jq -e --arg id "$1" 'all(.[]; .device != $id)' >/dev/null
}

job_held() {
    qmp source query-block-jobs | jq -e --arg id "copy-$1" 'any(.[]; .device == $id and (.ready | not))' >/dev/null
}

# complete DISK...: the guest is paused
complete() {
    local disk
    for disk; do
        qmp source block-job-cancel "{\"device\":\"copy-$disk\"}"
        wait_for 60 job_gone "copy-$disk"
        qmp dest block-export-del "{\"id\":\"copy${disk#vda}\",\"mode\":\"hard\"}"
    done
    qmp source migrate-continue '{"state":"pre-switchover"}'
    wait_for 60 migration_ended source
    wait_for 60 is running run_state dest
}

# another_disk: vdb, with a fine bitmap and a coarse one
another_disk() {
    local side
    for side in source dest; do
        qemu-img create -q -f qcow2 "$scratch/$side.vdb" "$disk_size"
    done
    guest_disk source vdb "$scratch/source.vdb" qcow2
    plain_disk dest vdb "$scratch/dest.vdb" qcow2
    qmp dest block-export-add '{"type":"nbd","id":"copyvdb","node-name":"vdb","name":"vdb","writable":true}'
    qmp source block-dirty-bitmap-add '{"node":"vdb","name":"fine","granularity":16384}'
    qmp source block-dirty-bitmap-add '{"node":"vdb","name":"coarse","granularity":1048576,"persistent":true}'
    guest_writes source vdb 30
}

# refer DISK NAME: from now on QEMU itself keeps another bitmap just like it
refer() {
    qmp source transaction "$(jq -nc --arg disk "$1" --arg name "$2" \
        --argjson granularity "$(bitmap source "$1" "$2" | jq .granularity)" '{actions:[
        {type:"block-dirty-bitmap-add",data:{node:$disk,name:("as-"+$name),granularity:$granularity}},
        {type:"block-dirty-bitmap-merge",data:{node:$disk,target:("as-"+$name),bitmaps:[$name]}}]}')"
}

# digest SIDE DISK NAME
digest() {
    qmp "$1" x-debug-block-dirty-bitmap-sha256 "{\"node\":\"$2\",\"name\":\"$3\"}" | jq -r .sha256
}

# loaded: how many snapshots the destination's QEMU has
loaded() {
    ours dest | grep -c '\.loaded\.' || true
}

# times TEXT: how often the source's log says it
times() {
    grep -c -- "$1" "$scratch/source.log" || true
}

waiting() {
    order "$1" status --json "$2" | jq -e '.moves[0] | .phase == "waiting for the mirrors" and
        .state == "under-way" and (.milestones | index("installed") | not)' >/dev/null
}

# begin_waiting DISK...: all snapshots are at the destination, and no mirror is ready
begin_waiting() {
    local disk disks=()
    configure source
    configure dest
    begin_daemon source
    begin_daemon dest
    for disk; do
        [ "$BF_CASE" = anew ] || begin_mirror "$disk" "$copy_mode"
        disks+=(--disk "$disk=$disk")
    done
    arriving=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" "${disks[@]}")
    leaving=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
        --peer "127.0.0.1:$port" --snapshots early "${left_alone[@]}" "${disks[@]}")
    wait_for 30 waiting source "$leaving"
    wait_for 30 waiting dest "$arriving"
    order source status "$leaving" | grep -q 'under-way: waiting for the mirrors' || die "status does not say so"
    [ "$BF_CASE" != anew ] || serve_late "$@"
    for disk; do
        job_held "$disk" || die "the mirror of $disk is ready: nothing is shown"
    done
}

# opened: how many carriers the source's QEMU has open
opened() {
    qmp source query-named-block-nodes '{"flat":true}' | jq '[.[] | select(."node-name" | test("^bf-.*-c[0-9]+$"))] | length'
}

# begin_by_itself: nothing is said of when snapshots are to travel
begin_by_itself() {
    begin_daemons
    arriving=$(order dest expect --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/dest.qmp" --disk vda=vda)
    leaving=$(order source start --quiet --vm ferry --uuid "$uuid" --qmp "$scratch/source.qmp" \
        --peer "127.0.0.1:$port" --disk vda=vda)
}

# serve_late DISK...: whoever copies them begins only now; nothing of ours was in the way
serve_late() {
    local disk
    qmp dest nbd-server-start "{\"addr\":{\"type\":\"unix\",\"data\":{\"path\":\"$scratch/dest.nbd\"}}}"
    qmp dest block-export-add '{"type":"nbd","id":"copy","node-name":"vda","name":"vda","writable":true}'
    in_log dest 'QEMU: nbd-server-start' && die "bitferry-dest serves what is the orchestrator's to serve"
    for disk; do
        begin_mirror "$disk" "$copy_mode"
    done
}

# settled NEW-GRANULES: both have committed; what vda has
settled() {
    wait_for 60 ended dest "$arriving" committed
    wait_for 60 ended source "$leaving" committed
    equal "$1" "$(dirty_granules dest vda new)" "the recording bitmap"
    equal "1 2 3" "$(dirty_granules dest vda old)" "the frozen bitmap"
    nothing_left "$BF_CASE"
}

# goes_over NEW-GRANULES: vda's mirror copies on, and the guest follows
goes_over() {
    release_mirror vda
    wait_move source "$leaving" installed
    guest_writes source vda 7
    way_migrate
    complete vda
    guest_writes dest vda 9
    settled "$1"
}

copy_mode=background
left_alone=()
if [ "$BF_CASE" = anew ]; then
    way_open() {
        plain_disk dest vda "$image_dest" "$format_dest"
    }
fi
begin_pair
case $BF_CASE in
background | write-blocking)
    copy_mode=$BF_CASE
    # Then they are examined in the pause, and have what was written behind the delta.
    [ "$BF_CASE" = background ] || left_alone=(--no-hold)
    another_disk
    begin_waiting vda vdb
    equal 4 "$(loaded)" "snapshots at the destination"
    refer vda new
    refer vdb fine
    refer vdb coarse
    guest_writes source vda 6
    guest_writes source vdb 31
    release_mirror vda # long before the other one
    guest_writes source vda 10
    if [ "$BF_CASE" = background ]; then
        kill_daemon dest # it knows after its restart what it has
        begin_daemon dest
    else # nobody relies on a mirror yet
        cancel_mirror vdb
        mirror_again vdb "$copy_mode"
        job_held vdb || die "the new mirror is ready: nothing is shown"
    fi
    guest_writes source vdb 32
    equal 4 "$(loaded)" "snapshots at the destination, still"
    is "waiting for the mirrors" phase source "$leaving" || die "the source is $(phase source "$leaving")"
    release_mirror vdb
    wait_move source "$leaving" installed
    guest_writes source vda 7
    guest_writes source vdb 33
    way_migrate
    complete vda vdb
    wait_for 60 ended dest "$arriving" committed
    for name in "vda new" "vdb fine" "vdb coarse"; do
        equal "$(digest source "${name% *}" "as-${name#* }")" "$(digest dest "${name% *}" "${name#* }")" \
            "QEMU's own bitmap here, and what is there, of $name"
    done
    guest_writes dest vda 9
    guest_writes dest vdb 39
    settled "5 6 7 9 10"
    equal "30 31 32 33 39" "$(dirty_granules dest vdb fine)" "the fine bitmap of the other disk"
    equal "true 1048576" "$(bitmap dest vdb coarse | jq -r '"\(.persistent) \(.granularity)"')" "the coarse one"
    equal 1 "$(times 'BEGINNING -> SWEEPING')" "attempts"
    equal 1 "$(times 'SNAPPING -> SERVING')" "how often snapshots were taken"
    ;;
anew) # the mirror breaks when the trackers record: they may have missed something
    begin_waiting vda
    guest_writes source vda 6
    release_mirror vda
    wait_move source "$leaving" installed
    wait_move dest "$arriving" installed
    cancel_mirror vda
    guest_writes source vda 10
    wait_for 30 waiting source "$leaving"
    wait_for 30 waiting dest "$arriving"
    equal 2 "$(times 'BEGINNING -> SWEEPING')" "attempts"
    equal 2 "$(loaded)" "snapshots at the destination"
    mirror_again vda background
    guest_writes source vda 11
    goes_over "5 6 7 9 10 11"
    ;;
opened) # carriers, before the mirror begins, by QEMUs that then let the guest wait for each
    carriers=0
    ! stores_open || carriers=2
    begin_by_itself
    equal "$carriers" "$(opened)" "carriers that are open when start has ended"
    kill_daemon source # what it has opened it finds, and opens others
    begin_daemon source
    wait_for 30 in_log source 'SWEEPING -> OFFERING'
    equal "$carriers" "$(opened)" "carriers that are open after a restart"
    wait_for 30 is 'waiting for the mirrors' phase source "$leaving"
    equal 2 "$(loaded)" "snapshots at the destination"
    begin_mirror vda background
    job_held vda || die "the mirror is ready: nothing is shown"
    guest_writes source vda 6
    goes_over "5 6 7 9"
    ;;
begun-before) # a mirror, before `start`: then only frozen bitmaps travel with those QEMUs until it is ready
    snapshots=2
    ! stores_open || snapshots=1
    begin_mirror vda background
    begin_by_itself
    wait_for 30 waiting source "$leaving"
    wait_for 30 is "$snapshots" loaded
    is waiting\ for\ the\ mirrors phase source "$leaving" || die "the source is $(phase source "$leaving")"
    equal 0 "$(opened)" "carriers that are open"
    goes_over "5 7 9"
    ;;
paused) # before the mirror is ready: what was written since the snapshot comes in the pause
    begin_waiting vda
    guest_writes source vda 6
    way_migrate
    wait_for 30 is 'waiting for the mirrors' phase source "$leaving"
    release_mirror vda
    wait_for 30 in_log source 'LOADING_DELTA -> EXAMINING'
    complete vda
    guest_writes dest vda 9
    settled "5 6 9"
    ;;
unready) # and it never is
    begin_waiting vda
    way_migrate
    cancel_mirror vda
    qmp dest block-export-del '{"id":"copy","mode":"hard"}'
    qmp source migrate-continue '{"state":"pre-switchover"}'
    wait_for 60 is running run_state dest
    wait_for 60 ended dest "$arriving" committed
    wait_for 60 ended source "$leaving" committed
    equal "dropped SWITCHED_EARLY" "$(row dest new)" "the recording bitmap, says the destination"
    equal "dropped SWITCHED_EARLY" "$(row source new)" "the recording bitmap, says the source"
    equal "" "$(bitmap dest vda new)" "the recording bitmap"
    equal "1 2 3" "$(dirty_granules dest vda old)" "the frozen bitmap"
    nothing_left "$BF_CASE"
    ;;
esac
ok "$BF_CASE"
