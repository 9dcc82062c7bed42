#!/bin/sh
# Check the Spin model of the hand-over; each variant that is broken on purpose must be found out.
set -eu

model=$(realpath "$(dirname "$0")/handoff.pml")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# verify FLAGS DEFINES...: spin's verifier, compiled with these flags, exhaustively; its report on stdout
verify() {
	flags=$1
	shift
	rm -f pan* ./*.trail
	spin -a "$@" "$model" >spin.log || { cat spin.log >&2; exit 1; }
	# shellcheck disable=SC2086 # several flags
	cc $flags -w -DSAFETY -DNOBOUNDCHECK -o pan pan.c
	./pan -m200000 -w24
}

# All states: what the compiler takes for a fast verifier is well spent.
sound() {
	verify '-O2 -DCOLLAPSE' "$@" >report
	if ! grep -q 'errors: 0' report || grep -q -e 'max search depth too small' \
		-e 'out of memory' report; then
		cat report >&2
		echo "the model $* does not hold" >&2
		spin -t -p "$@" "$model" | tail -60 >&2 || true
		exit 1
	fi
	echo "holds: $* ($(sed -n 's/^ *\([0-9.e+]*\) states, stored.*/\1/p' report) states)"
}

# Up to the first error, which is near: most variants take longer to compile than to search.
found_out() {
	verify -O0 "$@" >report
	if ! grep -q 'assertion violated' report; then
		cat report >&2
		echo "the broken variant $* is not found out" >&2
		exit 1
	fi
	echo "found out: $*"
}

# Lost words and mishaps, and a guest that writes more than once: not all at a time, for the number of states.  A mirror
# that skips zeroes sets fewer bits, so it is the harder one.
#
# A broken variant is searched in a small world, where it is found out there as well: what is left out gives its error
# fewer places, not more.
sound -DWRITES=1
sound -DLOSSES=0 -DMISHAPS=false -DSKIP_ZEROES
found_out -DDELTA_AFTER_SNAPSHOT -DLOSSES=0 -DMISHAPS=false
found_out -DTRACKER_AFTER_DELTA -DLOSSES=0 -DMISHAPS=false
found_out -DNO_DELTA -DLOSSES=0 -DMISHAPS=false
found_out -DSKIP_ZEROES -DNO_WAIT -DLOSSES=0 -DMISHAPS=false
found_out -DNO_TRACKER
found_out -DENABLE_LATER
found_out -DRETIRE_EARLY
found_out -DTRUST_OLD_EPOCH -DLOSSES=0 -DWRITES=1 -DMISHAPS=false
found_out -DSECOND_ADD -DWRITES=1
found_out -DTRACKERS_GONE_EARLY
found_out -DONE_STEP_IS_ALL -DWRITES=1
found_out -DNO_READ_BACK
found_out -DTWIN_TAKEN
found_out -DPUT_BACK_SNAPSHOT
found_out -DFORGET_TAKEN
