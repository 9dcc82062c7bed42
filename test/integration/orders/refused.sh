#!/bin/bash
# Orders that cannot be carried out: what is said, and the exit status; and the same for programs.
. "$(dirname "$0")/../faults/lib.sh"

begin_pair
begin_daemons
id=$uuid
other=11111111-2222-3333-4444-555555555555

# start_as UUID QMP PEER [OPTION...]
start_as() {
    order source start --vm other --uuid "$1" --qmp "$2" --peer "$3" "${@:4}"
}

# ends_as CODE TEXT MOVE: taken on, and failed
ends_as() {
    fails_with "$1" "$2" order source wait "$3" --timeout 60
    fails_with "$1" "$2" order source wait "$3" --for installed # again, and for what was never reached
}

fails_with 2 "^bitferry: start: '--uuid' takes xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx, not 'web1'\$" \
    start_as web1 "$scratch/source.qmp" host
fails_with 1 "'peer' must be HOST, HOST:PORT" start_as "$other" "$scratch/source.qmp" 'a b'
fails_with 1 'HOST, HOST:PORT' start_as "$other" "$scratch/source.qmp" 'host:99999'
fails_with 2 'read' start_as "$other" "$scratch/source.qmp" host --read tea-leaves
fails_with 2 'handover' start_as "$other" "$scratch/source.qmp" host --handover by-hand
equal 0 "$(order source list --json | jq '.moves | length')" "moves after orders that were refused at once"
ok "what cannot be is refused at once"

absent=$(start_as "$other" "$scratch/nothing" host)
another=$(start_as "${other/1/2}" "$scratch/dest.qmp" "127.0.0.1:$port")
ends_as 10 "cannot connect to the QMP socket $scratch/nothing: No such file" "$absent"
ends_as 1 'UUID' "$another"
ok "a QEMU that is not there, and one of another VM"

# expect_as VM UUID QMP [OPTION...]
expect_as() {
    order dest expect --vm "$1" --uuid "$2" --qmp "$3" "${@:4}"
}
stranger=$(expect_as ferry "$other" "$scratch/dest.qmp" --disk vda=vda)
fails_with 1 'UUID' order dest wait "$stranger" --timeout 60
ok "a VM is expected at the QEMU that has its UUID"

start_move --disk vdz=nothing
wait_for 30 is failed state source "$leaving"
fails_with 1 "'nothing'" order source wait "$leaving"
order dest abort "$arriving" >/dev/null
ok "a disk that is not there"

start_move
wait_for 30 is "waiting for the mirrors" phase source "$leaving"
fails_with 10 'the move is not so far yet \(it goes on\)' order source wait "$leaving" --for installed --timeout 1
equal DEADLINE "$(order source wait "$leaving" --timeout 1 --json 2>/dev/null | jq -r .error.code)" "wait --json"
fails_with 11 "under way already, by another request \(move $leaving\)" \
    order source start --vm ferry --uuid "$id" --qmp "$scratch/source.qmp" --peer elsewhere
equal "true $leaving" "$(order source start --json --vm ferry --uuid "$id" --qmp "$scratch/source.qmp" \
    --peer "127.0.0.1:$port" --disk vda=vda | jq -r '"\(.existing) \(.id)"')" "the same order again"
fails_with 1 "knows no move $leaving" order dest wait "$leaving"
fails_with 1 "this is bitferry-dest, which takes 'expect'" \
    order dest start --vm ferry --uuid "$id" --qmp "$scratch/source.qmp" --peer host
ok "a wait has an end, and a VM moves once at a time"

fails_with 11 "under way already, by another request \(move $arriving\)" \
    expect_as other "$id" "$scratch/source.qmp" --disk vda=vda
equal "true $arriving" "$(expect_as ferry "$id" "$scratch/dest.qmp" --disk vda=vda --json |
    jq -r '"\(.existing) \(.id)"')" "the same expectation again"
ok "a UUID is expected once at a time"

fails_with 0 '^aborted: ' order source abort "$leaving"
fails_with 0 '^aborted: ' order source abort "$leaving" # again
fails_with 1 'OPERATOR_ABORT' order source wait "$leaving"
equal "aborted 1" "$(order source wait "$leaving" --json 2>/dev/null | jq -r '.move | "\(.state) \(.exit)"')" "exit"
wait_for 30 is failed state dest "$arriving"
fails_with 10 'the source says: .*OPERATOR_ABORT|PEER_ABORTED' order dest wait "$arriving"
equal 2 "$(order source status --json "$leaving" | jq '[.moves[0].bitmaps[] | select(.outcome == "dropped")] | length')" \
    "bitmaps that an aborted move does not carry"
clean source
clean dest
ok "an operator's end is told on both sides"
