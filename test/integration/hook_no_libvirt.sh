#!/bin/bash
# libvirt waits for its hooks with the domain locked: one that calls libvirt would wait for ever.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/hook_lib.sh"

! ldd "$hook" | grep -qi libvirt || die "it links libvirt"
! nm -uD "$hook" | grep -qE ' vir[A-Z]' || die "it uses libvirt"
for step in 'migrate begin' 'release end'; do
    # shellcheck disable=SC2086 # two words
    traced %network,execve,openat $step <<<"$domain" 2>/dev/null
    grep -q "$BITFERRY_RUN_DIR/dest/control.sock" "$scratch/trace" || die "strace does not see the sockets"
    ! grep -qi libvirt "$scratch/trace" || die "it touches libvirt: $(grep -i libvirt "$scratch/trace")"
    equal 1 "$(grep -c execve "$scratch/trace")" "programs that were run"
    ! grep -qE 'AF_INET' "$scratch/trace" || die "it uses the network"
done
ok "no library, symbol, socket, file or program of libvirt"
