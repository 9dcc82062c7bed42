# shellcheck shell=bash
# What the tests of `bitferry doctor` share.
#
#     examine EXIT ARGUMENT...   the diagnosis, in $said
#     cell DISK SINCE            "incremental", or why not
#     found CODE [FIELD]         a field of each finding of this code (its disk), one a line
#     checked CHECK              "FAILED of DONE"
#     remedy CODE                the commands that mend it, one a line

. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../cli_lib.sh"

examine() {
    local expected=$1 status=0
    shift
    said=$("$BITFERRY" doctor --json "$@" 2>"$scratch/doctor.stderr") || status=$?
    equal "$expected" "$status" "exit status of doctor $* ($said $(<"$scratch/doctor.stderr"))"
    equal "$expected" "$(jq .exit <<<"$said")" "the status that it says"
}

cell() {
    jq -r --arg disk "$1" --arg since "$2" '.coverage[] | select(.disk == $disk and .since == $since) |
        if .incremental then "incremental" else .reason end' <<<"$said"
}

found() {
    jq -r --arg code "$1" --arg field "${2:-disk}" '.findings[] | select(.code == $code) | .[$field]' <<<"$said"
}

checked() {
    jq -r --arg check "$1" '.checks[] | select(.check == $check) | "\(.failed) of \(.done)"' <<<"$said"
}

remedy() {
    jq -r --arg code "$1" '.findings[] | select(.code == $code) | .remedy.commands[]' <<<"$said"
}

# checkpoints STYLE NAME:DISK=BITMAP[,DISK=BITMAP...]...: a description, each the parent of the next
checkpoints() {
    local style=$1
    shift
    jq -n --arg style "$style" '
        [$ARGS.positional[] | split(":")] as $all |
        {schema: 1, style: $style, checkpoints: [range($all | length) as $i |
            {name: $all[$i][0], time: (1700000000 + $i * 3600),
             parent: (if $i > 0 then $all[$i - 1][0] else null end),
             disks: [$all[$i][1] | split(",")[] | select(. != "") | split("=") |
                 {disk: .[0], bitmap: .[1]}]}]}' \
        --args "$@"
}
