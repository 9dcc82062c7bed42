#!/bin/bash
# The configuration: what is in effect, what is refused, and that the manual pages tell the truth.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/daemon_lib.sh"

conf=$scratch/conf

# refused TEXT LINE...: a file of these lines is refused with TEXT, which names file and line
refused() {
    local text=$1
    shift
    printf '%s\n' "$@" >"$conf"
    fails_with 1 "$text" "$BF_BUILD/bitferry-source" --config "$conf" --check-config
}

refused 'conf:2: unknown key .max_move.; the keys are state_dir, .*allow_uids$' '[source]' 'max_move = 3'
refused 'conf:3: max_moves is a number from 1 to 1024, not .0.' '[source]' '' 'max_moves = 0'
refused 'conf:2: max_moves .*not .18446744073709551617.' '[source]' 'max_moves = 18446744073709551617'
refused 'conf:2: max_moves .*not .-1.' '[source]' 'max_moves = -1'
refused 'conf:2: max_moves .*not ..$' '[source]' 'max_moves ='
refused 'conf:2: state_dir is an absolute path' '[source]' 'state_dir = var'
refused 'conf:2: run_dir .*at most 90 bytes' '[source]' "run_dir = /$(printf '%090d' 0)"
refused 'conf:2: plain_on_loopback is yes or no' '[source]' 'plain_on_loopback = 1'
refused 'conf:2: port is a number from 1 to 65535' '[source]' 'port = 65536'
refused 'conf:2: tls_certificates is an absolute path' '[source]' 'tls_certificates ='
refused 'conf:2: log_level is error, warning, info or debug' '[source]' 'log_level = loud'
refused 'conf:2: allow_uids is at most 16 user ids' '[source]' 'allow_uids = 1000, root'
refused 'conf:2: allow_uids' '[source]' "allow_uids = $(seq -s, 17)"
refused 'conf:4: .keep_moves. was given in line 2' '[source]' 'keep_moves = 1' '[source]' 'keep_moves = 1'
refused 'conf:3: .keep_moves. was given in line 2' '[source]' 'keep_moves = 1' '  2'
refused 'unknown section \[sorce\]' '[sorce]' 'keep_moves = 1'
refused 'conf:1: a key before any section' 'keep_moves = 1'
refused 'conf:2: neither' '[source]' 'keep_moves'
refused 'conf:2: the line is too long' '[source]' "state_dir = /$(printf '%0300d' 0)"
refused 'conf:2: max_moves' '[dest]' 'max_moves = none' # the other daemon's section is checked too
printf '[source]\nkeep_moves\0 = 1\n' >"$conf"
fails_with 1 'conf:2: a NUL byte' "$BF_BUILD/bitferry-source" -c "$conf" --check-config
seq -f '# %.0f' 10000 >"$conf"
fails_with 1 'too long for a configuration' "$BF_BUILD/bitferry-source" -c "$conf" --check-config
fails_with 1 'cannot read the configuration .*No such file' "$BF_BUILD/bitferry-source" -c "$scratch/none"
ok "mistakes are named with file, line and what is allowed"

printf '%s\n' '# a comment' '[source]' 'keep_moves = 7 ; seven' 'allow_uids = 1000, 1001' '[dest]' \
    'keep_moves = 8' >"$conf"
equal "keep_moves = 7" "$("$BF_BUILD/bitferry-source" -c "$conf" --check-config | grep keep)" source
equal "keep_moves = 8" "$("$BF_BUILD/bitferry-dest" -c "$conf" --check-config | grep keep)" dest
"$BF_BUILD/bitferry-source" -c "$conf" --check-config >"$scratch/effective"
"$BF_BUILD/bitferry-source" -c "$scratch/effective" --check-config | cmp - "$scratch/effective"
ok "each daemon has its own section, and what is printed can be read"

for role in source dest; do
    program=$BF_BUILD/bitferry-$role
    page=$BF_SOURCE/src/$role/bitferry-$role.8
    # The page's entries: "\fBkey\fR = \fIdefault\fR", and without a default "\fBkey\fR =".
    sed -n 's/^\\fB\([a-z_]*\)\\fR = *\(\\fI\(.*\)\\fR\)\{0,1\}$/\1 \3/p' "$page" >"$scratch/page"
    "$program" --list-keys | awk -F'\t' '{ print $1, ($2 == "-" ? "" : $2) }' >"$scratch/keys"
    diff "$scratch/keys" "$scratch/page" || die "$page and the table of keys differ"
    "$program" --help | grep -o -- '--[a-z-]*' | sort -u | sed 's/-/\\-/g' |
        while read -r option; do
            grep -qF -- "$option" "$page" || die "$option is not in $page"
        done
    man --warnings -l "$page" 2>&1 >/dev/null | diff - /dev/null || die "$page has mistakes"
    "$program" --check-config --config "$BF_SOURCE/deploy/bitferry.conf" >"$scratch/example"
    "$program" --check-config --config /dev/null | diff - "$scratch/example" ||
        die "the example does not show the defaults"
    fails_with 2 'unrecognized option' "$program" --frobnicate
    fails_with 2 "'x' is too much" "$program" x
    fails_with 0 "^bitferry-$role [0-9]" "$program" --version
done
ok "the manual pages and the example show the keys and their defaults"
