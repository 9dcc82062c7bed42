#!/bin/bash
# Both daemons are killed together, at each step of the destination's, and started again in either order
# (FAULTS.md, 8): both tell the same end.
. "$(dirname "$0")/lib.sh"
each dest.begun dest.pulled dest.loaded dest.armed dest.committing dest.commit_sent dest.committed dest.ended

no_nbdkit() {
    ! pgrep -f "nbdkit .*$scratch" >/dev/null
}

killed=no
revive() {
    [ $killed = no ] && dead dest || return 0
    wait "${daemon[dest]}" 2>/dev/null || true
    kill_daemon source
    killed=yes
    wait_for 10 no_nbdkit
    case $BF_CASE in
    dest.pulled | dest.committing | dest.ended)
        begin_daemon source
        begin_daemon dest
        ;;
    *)
        begin_daemon dest
        begin_daemon source
        ;;
    esac
}

begin_move "BITFERRY_FAIL_POINT=$BF_CASE:kill"
install
switch_over
settle "both killed at $BF_CASE"
equal yes $killed "were they killed at $BF_CASE"
ok "both killed at $BF_CASE: the same end"
