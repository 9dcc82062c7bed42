#!/bin/bash
# bitferry-dest is killed at each step and started again: the move goes on, and ends as if nothing had been
# (FAULTS.md, 4 to 7).
. "$(dirname "$0")/lib.sh"
each dest.offered dest.begun dest.pulling dest.early dest.pulled dest.loaded dest.armed dest.committing \
    dest.commit_sent dest.commit_done dest.committed dest.ended

killed=no
revive() {
    [ $killed = no ] && dead dest || return 0
    wait "${daemon[dest]}" 2>/dev/null || true
    killed=yes
    begin_daemon dest
}

begin_move "BITFERRY_FAIL_POINT=$BF_CASE:kill"
install
switch_over
settle "killed at $BF_CASE"
equal yes $killed "was it killed at $BF_CASE"
ok "killed at $BF_CASE: the same end"
