#!/bin/bash
# The hook that any orchestrator calls: a move from prepare to finish or abort, on both sides, and what
# happens when bitferry cannot help.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/daemon_lib.sh"

export BITFERRY_HOOKS=$scratch/hooks
for side in source dest; do
    printf '[%s]\nstate_dir = %s/%s-state\nrun_dir = %s/%s\n' $side "$scratch" $side "$scratch" $side >"$scratch/$side.conf"
    run_child "$BF_BUILD/test/daemon_with_driver" $side --config "$scratch/$side.conf" 2>"$scratch/$side.log"
done

# hook STEP SIDE VM [OPTION...]: every step gets all options, as an orchestrator's one line would have it
hook() {
    local step=$1 side=$2 vm=$3 peer=()
    shift 3
    [ "$side" != source ] || peer=(--peer host2)
    "$BF_SOURCE/deploy/hooks/bitferry-hook-general" "$step" "$side" --vm "$vm" --uuid "$uuid" \
        --qmp /run/qmp.sock --socket "$scratch/$side/control.sock" "${peer[@]}" "$@" \
        >"$scratch/printed" 2>"$scratch/said" || return
    equal 0 "$(stat -c %s "$scratch/printed")" "bytes printed at $step"
}

state_at() {
    "$BITFERRY" list --json --socket "$scratch/$1/control.sock" | jq -r '.moves[-1].state'
}

for side in source dest; do
    wait_for 30 grep -q 'ready at' "$scratch/$side.log"
    hook prepare $side good --strict
    hook prepare $side good --strict
    equal 1 "$("$BITFERRY" list --json --socket "$scratch/$side/control.sock" | jq '.moves | length')" "moves after two prepares"
    for step in ready switchover finish; do
        hook $step $side good --strict
    done
    equal committed "$(state_at $side)" "end"
    equal "" "$(ls "$BITFERRY_HOOKS")" "what is kept afterwards"

    hook prepare $side stubborn --strict
    hook abort $side stubborn --strict
    equal aborted "$(state_at $side)" "end"
    equal "" "$(ls "$BITFERRY_HOOKS")" "what is kept afterwards"
done
ok "prepare, ready, switchover, finish; prepare, abort; on both sides, also twice"

# trouble CODE TEXT STEP VM [OPTION...]: without --strict the hook ends with 0 and warns, with it it ends
# with CODE
trouble() {
    local code=$1 text=$2 status=0
    shift 2
    [ "$1" != finish ] || hook prepare source "$2" --strict
    hook "$1" source "${@:2}" || die "$1 without --strict: $?"
    grep -qE -- "$text" "$scratch/said" || die "$1 does not say '$text': $(cat "$scratch/said")"
    [ "$1" != finish ] || hook prepare source "$2" --strict
    hook "$1" source "${@:2}" --strict || status=$?
    equal "$code" "$status" "exit status of $1 --strict"
}
trouble 14 'finish: bitferry wait ended with 14' finish fail
trouble 3 'finish: bitferry wait ended with 3' finish mixed
trouble 11 'prepare: bitferry start ended with 11; the next backup of refuse may be a full one' prepare refuse
trouble 1 'nothing was prepared' ready nobody
trouble 2 "there is no step 'celebrate'" celebrate good
trouble 10 'finish: bitferry wait ended with 10' finish stubborn --timeout 1
hook abort source stubborn --strict
trouble 10 'prepare: bitferry start ended with 10' prepare good --socket "$scratch/nobody"
script=$BF_SOURCE/deploy/hooks/bitferry-hook-general
fails_with 0 "the side is source or dest, not 'moon'" "$script" prepare moon --vm a --uuid "$uuid"
fails_with 0 "uuid is not a UUID: '../x'" "$script" prepare source --vm a --uuid ../x
fails_with 2 "needs a value" "$script" --strict source --vm
fails_with 0 "the side is source or dest" "$script"
ok "no bitferry, no luck, no sense: it warns and ends with 0; with --strict it says so in its exit status"
