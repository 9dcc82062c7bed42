#!/bin/bash
# Every operation of libvirt's qemu hook: exit status 0 and no byte on stdout, because libvirt would take it
# for the domain's new XML; 'reconnect' above all, where libvirt would end the domain.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hook_lib.sh"

for step in 'prepare begin' 'start begin' 'started begin' 'stopped end' 'release end' 'migrate begin' \
    'restore begin' 'reconnect begin' 'attach begin'; do
    # shellcheck disable=SC2086 # two words
    called $step <<<"$domain"
    # shellcheck disable=SC2086
    called $step </dev/null
done
ok "nothing is printed, whatever libvirt does"

called reconnect begin <&-
mkdir -p "$BITFERRY_RUN_DIR"
: >"$BITFERRY_RUN_DIR/source"
called reconnect begin <<<"<broken"
ok "reconnect ends with 0"

# What libvirt really runs, around a program that is broken in some way.
script=$BF_SOURCE/deploy/hooks/qemu.d/bitferry
broken() {
    printf '%b' "$1" >"$scratch/broken"
    chmod +x "$scratch/broken"
    printed=$(BITFERRY_HOOK=$scratch/broken "$script" web reconnect begin - <<<"$domain" 2>&1) ||
        die "a broken program: $?"
    equal "" "$printed" "printed around a broken program"
}
broken '#!/bin/sh\necho "<domain/>"; exit 1\n'
broken '#!/bin/sh\nkill -SEGV $$\n'
broken '#!/no/such/interpreter\n'
broken '\177ELF'
printed=$(BITFERRY_HOOK=/no/such/program "$script" web reconnect begin - <<<"$domain" 2>&1) || die "no program: $?"
equal "" "$printed" "printed without a program"
printed=$(BITFERRY_HOOK=$hook "$script" web migrate begin - <<<"$domain") || die "all is well, and it ends with $?"
equal "" "$printed" "printed when all is well"
ok "a program that is gone or broken harms no domain"
