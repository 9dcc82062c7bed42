#!/bin/bash
# Moves between two hosts that prove who they are: words and bitmaps over TLS; a move is of the source that
# offered it; certificates are read anew on SIGHUP (FAULTS.md, 66 and 67, as far as a whole move shows them).
. "$(dirname "$0")/tls_lib.sh"

authority ours
authority theirs
for name in source.test dest.test other.test; do
    host ours "$name"
done
host theirs source.test
begin_pair

# Not of our authority; then of ours, but not on the list.
secure source theirs.source.test
secure dest ours.dest.test 'allow_peers = source.test, other.*'
begin_daemon source
begin_daemon dest
start_move
wait_for 30 in_log dest 'was not let in'
wait_for 60 ended source "$leaving" failed
equal 12 "$(order source status --json "$leaving" | jq '.moves[0].exit')" "exit code of a stranger's move"
sed -i 's/^allow_peers.*/allow_peers = nobody.test/' "$scratch/dest.conf"
kill_daemon dest
begin_daemon dest
source_as ours.source.test
start_vm
wait_for 30 in_log dest 'nobody.test|not on the list|allow_peers'
wait_for 60 ended source "$leaving" failed
source_kept "a move that was not let in"
ok "a stranger is not let in, and the source keeps its bitmaps"

sed -i 's/^allow_peers.*/allow_peers = source.test, other.*/' "$scratch/dest.conf"
kill_daemon dest
begin_daemon dest
start_vm
install
in_log dest 'called, as source.test' || die "$(cat "$scratch/dest.log")"
! in_log dest 'without TLS' || die "the port is open to everybody"
ok "installed over TLS"

# Another host of ours, with the words of this move (it has its journal), has no say in it.
source_as ours.other.test
wait_for 30 in_log dest "a word of 'other.test' is not heeded"
equal installed "$(order dest status --json "$arriving" | jq -r '.moves[0].milestones[-1]')" "the move"
source_as ours.source.test
ok "a move is of the source that offered it"

wait_move source "$leaving" installed
kill -HUP "${daemon[dest]}"
wait_for 30 grep -c 'sources may call' "$scratch/dest.log" >/dev/null
calls() { [ "$(grep -c 'sources may call' "$scratch/dest.log")" = 2 ]; }
wait_for 30 calls
way_migrate
way_complete
wait_for 60 ended dest "$arriving" committed
wait_for 60 ended source "$leaving" committed
equal "5 6 7 60" "$(dirty_granules dest vda new)" "the bitmap"
nothing_left "a move over TLS"
ok "committed, with certificates that were read anew meanwhile"
