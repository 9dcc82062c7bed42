#!/usr/bin/env bash
# run.sh [--table FILE] [--ways FILE] [--jobs N] [--may-be-empty] [WORD...]: run the cases whose lines have all these words; see README.md.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export BF_BUILD=${BF_BUILD:-$(cd "$here/../.." && pwd)/build}
table=$here/cases jobs=2 words=() may_be_empty=no
while [ $# -gt 0 ]; do
    case $1 in
    --table) table=$2 && shift ;;
    --jobs) jobs=$2 && shift ;;
    --may-be-empty) may_be_empty=yes ;;
    --ways) BF_MODES_WAYS=$(realpath "$2") && export BF_MODES_WAYS && shift ;;
    -*)
        printf 'unknown option: %s\n' "$1" >&2
        exit 2
        ;;
    *) words+=("$1") ;;
    esac
    shift
done

folder=$(mktemp -d "${TMPDIR:-/tmp}/bitferry-modes.XXXXXX")
clean_up() {
    local pid
    for pid in $(jobs -p); do
        kill "$pid" 2>/dev/null || true
    done
    wait 2>/dev/null || true
    rm -rf "$folder"
}
trap clean_up EXIT
trap 'exit 143' TERM
trap 'exit 130' INT

# Can this QEMU do it at all?  Only the copying of disks by `migrate` itself has been removed.
has_block_migration() {
    qemu-system-x86_64 -machine none -nodefaults -display none -monitor stdio <<<$'info migrate_capabilities\nquit' |
        grep -q '^block:'
}

selected() {
    local line=" $1 " word
    for word in ${words[@]+"${words[@]}"}; do
        [[ $line == *" $word "* ]] || return 1
    done
}

mapfile -t lines < <(sed -e 's/#.*//' -e 's/[[:space:]][[:space:]]*/ /g' -e 's/ *$//' -e '/^$/d' "$table")
cases=()
removed=0
block=$(has_block_migration && echo yes || echo no)
for line in "${lines[@]}"; do
    selected "$line" || continue
    if [[ $line == *" block "* ]] && [ "$block" = no ]; then
        removed=$((removed + 1))
    else
        cases+=("$line")
    fi
done
if [ ${#cases[@]} = 0 ] && [ "$removed" -gt 0 ] && [ "$may_be_empty" = yes ]; then
    printf 'this QEMU can do none of %d cases\n' "$removed"
    exit 77
fi
[ ${#cases[@]} -gt 0 ] || {
    printf 'no case has all of these words: %s\n' "${words[*]}" >&2
    exit 2
}

# run_case NUMBER: its word and its seconds into NUMBER.found
run_case() {
    local fields begun=$EPOCHREALTIME found
    read -ra fields <<<"${cases[$1]}"
    found=$(timeout -k 10 180 bash "$here/case.sh" "${fields[@]:0:7}" 2>"$folder/$1.log") || found=FAILED
    printf '%s %s\n' "${found:-NOTHING}" \
        "$(awk -v a="$begun" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')" >"$folder/$1.found.new"
    mv "$folder/$1.found.new" "$folder/$1.found"
}

if [ -t 1 ]; then
    good=$'\033[32m' bad=$'\033[31m' plain=$'\033[0m'
else
    good='' bad='' plain=''
fi
format='%-8s %-7s %-9s %-10s %-7s %-6s %-18s  %s%-24s%s %5s\n'
# shellcheck disable=SC2059
printf "$format" by mode bitmap stored guest layers ending '' 'what became of it' '' s

started=0 failures=0
for ((at = 0; at < ${#cases[@]}; at++)); do
    while [ "$started" -lt ${#cases[@]} ] && [ "$started" -lt $((at + jobs)) ]; do
        run_case "$started" &
        started=$((started + 1))
    done
    until [ -e "$folder/$at.found" ]; do
        wait -n || true
    done
    read -ra fields <<<"${cases[$at]}"
    read -r found seconds <"$folder/$at.found"
    expected=${fields[7]}
    colour=$good note=$found
    if [[ "|$expected|" != *"|$found|"* ]]; then
        failures=$((failures + 1))
        colour=$bad note="$found, not $expected"
    fi
    # shellcheck disable=SC2059
    printf "$format" "${fields[@]:0:7}" "$colour" "$note" "$plain" "$seconds"
    if [ "$found" = FAILED ]; then
        sed 's/^/    /' "$folder/$at.log" | tail -n 20
    fi
done
printf '%d cases, %d not as expected' ${#cases[@]} "$failures"
[ "$removed" = 0 ] || printf '; %d need a QEMU up to 9.0' "$removed"
printf '\n'
[ "$failures" = 0 ]
