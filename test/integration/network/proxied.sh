#!/bin/bash
# Between the helpers stands somebody who resets connections, turns bits over, says frames twice, or says old ones
# again, or greets for a helper of another age: the move carries on, and what arrives is what was sent, or nothing is
# touched (FAULTS.md, 54, 55, 57, 58, 64).
. "$(dirname "$0")/../dest/tls_lib.sh"
each reset flip double replay versions

# between RULE...: what the source takes for the destination
between() {
    local front=$((port + 1))
    run_child "$BF_BUILD/test/tcp-proxy" "$front" "$port" "$@" >"$scratch/proxy.log"
    wait_for 30 grep -q listening "$scratch/proxy.log"
    peer=127.0.0.1:$front
}

end_proxy() {
    kill "$child"
    wait "$child" || true
}

# secured: both daemons, with certificates
secured() {
    local name
    authority ours
    for name in source dest; do
        host ours "$name.test"
        secure "$name" "ours.$name.test"
        begin_daemon "$name"
    done
}

# events TEXT: how many of them the proxy tells
events() {
    grep -c -- "$1" "$scratch/proxy.log" || true
}

begin_pair
case $BF_CASE in
reset) # in the handshake, in the greeting, in and between the words
    secured
    between reset 1200 150 10
    ;;
flip) # behind the handshake, which somebody who stands in between can always make fail
    secured
    between
    start_vm
    wait_for 30 in_log dest 'called, as source.test'
    order source abort "$leaving" >/dev/null
    wait_for 30 grep -q '^0 ended' "$scratch/proxy.log"
    end_proxy
    between flip "$(sed -n 's/^0 ended (\([0-9]*\) .*/\1/p' "$scratch/proxy.log")" 50 5
    ;;
versions) # one that does not speak ours any more, or not yet, on either side; and one that still does
    begin_daemons
    expect_vm
    while read -r first last old new; do
        between versions server "$first" "$last"
        start_vm
        fails_with 13 "bitferry-dest [0-9.]+ speaks the protocol versions $first to $last, bitferry-source .* update bitferry-$old" \
            order source wait "$leaving" --timeout 30
        equal "5" "$(dirty_granules source vda new)" "the recording bitmap of the source"
        nothing_left "$BF_CASE"
        end_proxy
        between versions client "$first" "$last"
        start_vm
        told="not let in: bitferry-source [0-9.]+ speaks the protocol versions $first to $last.*update bitferry-$new"
        wait_for 30 in_log dest "$told"
        order dest status "$arriving" | grep -qE "$told" || die "$(order dest status "$arriving")"
        order source abort "$leaving" >/dev/null
        end_proxy
    done <<<'5 9 source dest
1 1 dest source'
    order dest abort "$arriving" >/dev/null
    nothing_left "$BF_CASE"
    between versions server 1 9
    ;;
*)
    begin_daemons
    between "$BF_CASE"
    ;;
esac
start_move
install
case $BF_CASE in
versions) [ "$(events 'other versions')" -ge 1 ] || die "$(cat "$scratch/proxy.log")" ;;
reset) [ "$(events 'was reset')" -ge 3 ] || die "$(cat "$scratch/proxy.log")" ;;
flip) [ "$(events 'wrong bit')" -ge 1 ] || die "$(cat "$scratch/proxy.log")" ;;
replay)
    # A new epoch: the old one's frames come right behind its greeting, with OFFER, ARM and snapshots.
    kill_daemon source
    begin_daemon source
    wait_for 30 grep -q '^1 heard old frames' "$scratch/proxy.log"
    wait_move source "$leaving" installed
    guest_writes source vda 7
    ;;
esac
switch_over
settle "$BF_CASE"
equal 1 "$(grep -c 'COMMITTING -> READING_BACK' "$scratch/dest.log")" "commits"
ok "$BF_CASE"
