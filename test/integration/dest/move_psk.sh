#!/bin/bash
# Moves between two hosts that have a secret in common instead of certificates: words and bitmaps go over TLS
# with that key, and nobody gets anything with another one (FAULTS.md, 67).
. "$(dirname "$0")/tls_lib.sh"

# secret SIDE FILE
secret() {
    secure "$1" unused "psk_file = $scratch/$2" "${@:3}"
    sed -i /tls_certificates/d "$scratch/$1.conf"
}

keys ours host-a host-b
keys wrong host-a
begin_pair

secret source wrong
secret dest ours 'allow_peers = host-*'
begin_daemon source
begin_daemon dest
start_move
fails_with 12 'AUTH' order source wait "$leaving" --timeout 60
wait_for 30 in_log dest 'was not let in'
source_kept "a move with a wrong key"
ok "who has another key is not let in, and the source keeps its bitmaps"

chmod 644 "$scratch/ours"
kill_daemon source
secret source ours
begin_daemon source
fails_with 1 'chmod 0640' start_vm
chmod 600 "$scratch/ours"
ok "a file of keys that others can read is not used"

# The server of the bitmaps lives while the destination is stopped behind its pull.
kill_daemon dest
begin_daemon dest BITFERRY_FAIL_POINT=dest.pulled:stop
start_vm
wait_for 30 in_log dest 'called, as host-a'
wait_for 30 in_log dest 'PULLING -> LOADING'
server=$(pgrep -P "${daemon[source]}" -x nbdkit)
nbd_port=$(ss -Hltnp | sed -n "s/.*:\([0-9]*\) .*pid=$server,.*/\1/p")
: "${nbd_port:?}"
psk="tls-psk-file=$scratch/%s&tls-username=host-a"
# shellcheck disable=SC2059
fails_with 1 '' nbdinfo --list "nbds://127.0.0.1:$nbd_port/?$(printf "$psk" wrong)"
fails_with 1 '' nbdinfo --list "nbd://127.0.0.1:$nbd_port/"
# shellcheck disable=SC2059
nbdinfo --list "nbds://127.0.0.1:$nbd_port/?$(printf "$psk" ours)" >"$scratch/listed" 2>&1 || true
! grep -q 'bits' "$scratch/listed" || die "the list shows what only the token should open: $(cat "$scratch/listed")"
ok "bitmaps are served with the right key only, and not listed without the token"
revive() {
    kill -CONT "${daemon[dest]}"
}
install
switch_over
wait_for 60 revived_and ended dest "$arriving" committed
wait_for 60 revived_and ended source "$leaving" committed
equal "5 6 7 9 60" "$(dirty_granules dest vda new)" "the bitmap"
nothing_left "a move with keys"
ok "installed and committed"
