#!/usr/bin/env bash
# Two hosts on this machine for people to try things on; see README.md.  Run by `./dev hosts`.
set -euo pipefail

BF_BUILD=${BF_BUILD:-$(cd "$(dirname "$0")/../.." && pwd)/build}
HOSTS_STAY=yes
. "$(dirname "$0")/hosts_lib.sh"
HOSTS=${BF_HOSTS:-/tmp/bitferry-hosts}

usage() {
    cat <<'EOT'
usage: ./dev hosts COMMAND

  up                        make the hosts A and B: namespaces, libvirtd, bitferry-source, bitferry-dest
  shell HOST                a shell on a host, A or B
  run HOST COMMAND...       one command there
  daemons HOST ACTION NAME  start, stop, kill or restart libvirtd, bitferry-source or bitferry-dest
  down                      end all that runs on them and remove what they wrote

BF_HOSTS is the folder where the hosts keep what they write (/tmp/bitferry-hosts).
EOT
}

[ "$(id -u)" = 0 ] || {
    echo 'hosts can only be made by root' >&2
    exit 1
}
command=${1:-}
[ $# = 0 ] || shift

wrong() {
    usage >&2
    exit 2
}

# take_host [HOST]: A or B, in either case
take_host() {
    host=${1:-}
    host=${host^^}
    [[ $host == [AB] ]] || wrong
}

up() {
    # Not after hosts_up: what is there are hosts that somebody works on.
    [ ! -e "$HOSTS" ] || {
        echo "$HOSTS is there already: these hosts are up ('./dev hosts down' ends them, BF_HOSTS names others)" >&2
        exit 1
    }
    hosts_up "$HOSTS" || {
        hosts_down
        exit 1
    }
    cat <<EOT
Host A is $HOSTS_ADDRESS_A, host B is $HOSTS_ADDRESS_B.  Try:
  ./dev hosts shell A
  ./dev hosts run A virsh list --all
  ./dev hosts run A virsh -c qemu+tcp://host-b/system list
EOT
}

case $command in
up) up ;;
shell)
    take_host "$@"
    hosts_run "$host" env PS1='host-\h:\w\$ ' bash --norc
    ;;
run)
    take_host "$@"
    [ $# -ge 2 ] || wrong
    hosts_run "$host" "${@:2}"
    ;;
daemons)
    take_host "$@"
    [ $# -ge 3 ] || wrong
    hosts_daemons "$host" "${@:2}"
    ;;
down) hosts_down ;;
*) wrong ;;
esac
