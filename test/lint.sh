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
shellcheck --severity=warning --exclude=SC1091 "${scripts[@]}"

printf '== cppcheck\n'
cppcheck --quiet --error-exitcode=1 --inline-suppr --std=c11 --enable=warning,portability \
    --suppress=missingIncludeSystem --suppress=normalCheckLevelMaxBranches -j "$(nproc)" \
    -D_GNU_SOURCE -DBF_VERSION='"0"' $(find src nbdkit-plugin -name include -type d -printf '-I%p ') \
    src nbdkit-plugin

printf '== clang-tidy\n'
printf '%s\n' "${sources[@]}" | grep -E '^(src|nbdkit-plugin)/' |
    xargs -P "$(nproc)" -n 8 clang-tidy --quiet -p build --warnings-as-errors='*' 2>/dev/null
