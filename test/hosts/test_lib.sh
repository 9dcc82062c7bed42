# shellcheck shell=bash
# What every test on the two hosts starts with: test/integration/lib.sh, hosts, domains, backups.
# The hosts go when the test ends.

. "$(dirname "${BASH_SOURCE[0]}")/../integration/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/hosts_lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/domain_lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/backup_lib.sh"
export LC_ALL=C.UTF-8

hosts_clean_up() {
    local status=$?
    [ -z "${HOSTS:-}" ] || hosts_down
    (exit "$status")
    bf_clean_up
}
trap hosts_clean_up EXIT

# virsh on one of the hosts
a() {
    hosts_run A virsh -q "$@"
}
b() {
    hosts_run B virsh -q "$@"
}
