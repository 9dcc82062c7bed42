#!/usr/bin/env bash
# run.sh SECONDS: every libFuzzer target of the asan build for so long, from its corpus.  What it finds new
# stays in build/fuzz/; a crash is left there too and fails the run.
set -euo pipefail

top=$(cd "$(dirname "$0")/../.." && pwd)
seconds=$1

for fuzzer in "$top"/build/asan/test/fuzz-*; do
    name=${fuzzer##*/fuzz-}
    found=$top/build/fuzz/$name
    mkdir -p "$found"
    printf '== fuzzing %s for %s seconds\n' "$name" "$seconds" >&2
    (cd "$found" && "$fuzzer" -max_total_time="$seconds" -rss_limit_mb=512 -timeout=10 -print_final_stats=1 \
        "$found" "$top/test/fuzz/corpus/$name" 2>"$found.log") || {
        tail -n 30 "$found.log" >&2
        exit 1
    }
    grep -E 'number_of_executed_units|peak_rss_mb' "$found.log"
done
