#!/bin/bash
# bitferry-source is killed at each step and started again: the move goes on, and ends as if nothing had been
# (FAULTS.md, 1 to 3); at some steps together with bitferry-dest (8).
. "$(dirname "$0")/../dest/lib.sh"
each source.offered source.begun source.snapping source.snapped source.read source.served source.sealed source.committed \
    source.retired source.ended both.begun both.served both.sealed both.committed both.retired

point=${BF_CASE/both./source.}
killed=no
revive() {
    [ $killed = no ] && dead source || return 0
    wait "${daemon[source]}" 2>/dev/null || true
    killed=yes
    if [ "$point" != "$BF_CASE" ]; then
        kill_daemon dest
        begin_daemon dest
    fi
    begin_daemon source
}

begin_pair
configure source
configure dest
begin_daemon dest
begin_daemon source "BITFERRY_FAIL_POINT=$point:kill"
start_move
install
switch_over
settle "killed at $BF_CASE"
equal yes $killed "was it killed at $BF_CASE"
ok "killed at $BF_CASE: the same end"
