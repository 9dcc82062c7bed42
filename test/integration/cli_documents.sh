#!/bin/bash
# The manual and bash completion, made from the same tables as the parser.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli_lib.sh"

page=$BF_BUILD/bitferry.1
equal "" "$(man --warnings -l "$page" 2>&1 >/dev/null)" "warnings of man"
equal "" "$(groff -man -ww -Tutf8 "$page" 2>&1 >/dev/null)" "warnings of groff"
MANWIDTH=78 man -l "$page" | col -bx >"$scratch/page"
mapfile -t commands < <("$BITFERRY" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
for section in NAME SYNOPSIS DESCRIPTION COMMANDS 'EXIT STATUS' EXAMPLES 'SEE ALSO'; do
    grep -qx "$section" "$scratch/page" || die "no section $section"
done
for command in "${commands[@]}"; do
    grep -qE "^   bitferry $command " "$scratch/page" || die "$command is not in the manual"
    for option in $("$BITFERRY" "$command" --help | grep -oE '^ +(-.,)? *--[a-z-]+' | grep -oE -- '--.*'); do
        grep -qE "^ +(-., )?$option\b" "$scratch/page" || die "$option of $command is not in the manual"
    done
done
for code in 0 1 2 3 4 10 11 12 13 14 15; do
    grep -qE "^ +$code +" "$scratch/page" || die "exit status $code is not in the manual"
done
grep -q COVERAGE_MISSING "$scratch/page" || die "error codes are not in the manual"
! grep -qE '[*]|(^|[^A-Za-z0-9_])_[a-z]' "$scratch/page" || die "markup is left: $(grep -nE '[*]|(^|[^A-Za-z0-9_])_[a-z]' "$scratch/page")"
ok "the manual is complete and clean"

# complete WORD...: what bash offers for the last word
complete() {
    bash --norc -c '
        . "$0"
        COMP_WORDS=("$@")
        COMP_CWORD=$(($# - 1))
        _bitferry
        printf "%s\n" "${COMPREPLY[@]}"' "$BF_BUILD/completion/bitferry" "$@" | sort | paste -sd ' '
}
cd "$scratch"
mkdir -p files/folder
touch files/one.qcow2
equal "$(printf '%s\n' "${commands[@]}" | sort | paste -sd ' ')" \
    "$(complete bitferry '' | tr ' ' '\n' | grep -v ^- | paste -sd ' ')" commands
equal inspect "$(complete bitferry ins)" "beginning of a command"
equal "--tls-certificates" "$(complete bitferry inspect --tl)" "beginning of an option"
for command in "${commands[@]}"; do
    for option in $("$BITFERRY" "$command" --help | grep -oE '^ +(-.,)? *--[a-z-]+' | grep -oE -- '--.*'); do
        [[ " $(complete bitferry "$command" --) " == *" $option "* ]] || die "$option of $command is not completed"
    done
done
equal "files/folder files/one.qcow2" "$(complete bitferry inspect files/)" "files for an operand"
equal files/folder "$(complete bitferry inspect --tls-certificates files/)" "folders for an option"
equal files/folder "$(complete bitferry inspect --tls-certificates = files/)" "folders behind ="
equal files/one.qcow2 "$(complete bitferry serve --socket files/o)" "files for an option"
equal "" "$(complete bitferry inspect --bitmap mon)" "nothing for a name"
equal "files/folder files/one.qcow2" "$(complete bitferry --json verify files/one.qcow2 files/)" "second operand"
ok "bash completes commands, options and files"
