#!/usr/bin/env bash
# Style and static checks: clang-format, clang-tidy, cppcheck, shellcheck.  Run by `./dev lint`.
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t sources < <(git ls-files '*.c')
mapfile -t headers < <(git ls-files '*.h')
mapfile -t scripts < <(git ls-files '*.sh' dev .ci/run)

printf '== clang-format\n'
clang-format --dry-run --Werror "${sources[@]}" "${headers[@]}"

printf '== shellcheck\n'
# What lib.sh sets (its variables, `set -e`) shellcheck does not see in the scripts that source it.
shellcheck --severity=warning --exclude=SC1090,SC1091,SC2034,SC2154,SC2164 "${scripts[@]}"
build/asan/bitferry --bash-completion | shellcheck --shell=bash -

printf '== cppcheck\n'
# It knows neither cleanup attributes (memleak: the sanitizers look for leaks instead) nor structs that a
# callee fills (uninitStructMember: valgrind and the compiler do), nor jansson's loops (unknownMacro).
mapfile -t includes < <(find src nbdkit-plugin -name include -type d -printf '-I%p\n')
cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability \
    --suppress=missingIncludeSystem --suppress=memleak --suppress=uninitStructMember \
    --suppress=autoVariables --suppress=unknownMacro --suppress=normalCheckLevelMaxBranches -j "$(nproc)" \
    -D_GNU_SOURCE -DBF_VERSION='"0"' "${includes[@]}" src nbdkit-plugin

printf '== clang-tidy\n'
printf '%s\n' "${sources[@]}" | grep -E '^(src|nbdkit-plugin)/' |
    xargs -P "$(nproc)" -n 8 clang-tidy --quiet -p build/asan --warnings-as-errors='*' 2>/dev/null
