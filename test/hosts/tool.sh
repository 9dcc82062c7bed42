#!/usr/bin/env bash
# `./dev hosts` as people use it: up, again, a shell, mistakes, down.
. "$(dirname "${BASH_SOURCE[0]}")/../integration/lib.sh"

export BF_HOSTS=$scratch/hosts
hosts() {
    bash "$BF_SOURCE/test/hosts/hosts.sh" "$@"
}
clean_up() {
    local status=$?
    hosts down
    (exit "$status")
    bf_clean_up
}
trap clean_up EXIT

fails_with 2 'usage: ./dev hosts' hosts
fails_with 1 'host A is not up' hosts run A true
hosts up | grep -q 'Host A is 10.86.0.1' || die "it does not say what is up"
fails_with 1 'is there already: these hosts are up' hosts up
equal host-a "$(hosts run A hostname)" "the hosts after a second 'up'"
ok "up, and not a second time over hosts that somebody works on"

equal "host-b 3" "$({ hosts shell b <<<"hostname; exit 3" || echo $?; } | xargs)" "a shell"
hosts daemons B restart bitferry-dest
hosts run A virsh -c qemu+tcp://host-b/system version >/dev/null || die "A does not reach B's libvirt"
for arguments in 'shell' 'shell C' 'run A' 'daemons A restart' 'fly'; do
    # shellcheck disable=SC2086 # words
    fails_with 2 'usage: ./dev hosts' hosts $arguments
done
ok "a shell, daemons, mistakes"

pid=$(<"$BF_HOSTS/A/pid")
hosts down
[ ! -e "/proc/$pid" ] && [ ! -e "$BF_HOSTS" ] || die "something is left"
hosts down
ok "down: nothing is left"
