#!/usr/bin/env bash
# fresh_root.sh SUITE [--quick|--integration] [--keep]: the demo and the tests as a stranger runs them, on a bare Debian.
#
# Makes a root with `debootstrap --variant=minbase SUITE`, puts a clean clone of HEAD into it and runs
# `./dev demo` and `./dev test` there, in a process namespace of its own, so that nothing is left behind.
# --quick and --integration run that part of `./dev test` only; --keep keeps the root for a look.
set -euo pipefail

suite=$1
shift
commands='./dev demo && ./dev test'
keep=
while [ $# -gt 0 ]; do
    case $1 in
    --quick | --integration) commands="./dev test $1" ;;
    --keep) keep=yes ;;
    *)
        printf 'unknown option: %s\n' "$1" >&2
        exit 2
        ;;
    esac
    shift
done
case $suite in
bookworm | trixie) ;;
*)
    printf 'the supported suites are bookworm and trixie, not %s\n' "$suite" >&2
    exit 2
    ;;
esac
[ "$(id -u)" = 0 ] || {
    echo 'a fresh root can only be made by root' >&2
    exit 1
}

top=$(cd "$(dirname "$0")/../.." && pwd)
command -v debootstrap >/dev/null || {
    apt-get update -q >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends debootstrap >/dev/null
}

root=$(mktemp -d "/var/tmp/bitferry-$suite.XXXXXX")
clean_up() {
    local status=$?
    if [ -n "$keep" ]; then
        printf 'the root is kept: %s\n' "$root" >&2
    else
        rm -rf --one-file-system "$root"
    fi
    exit "$status"
}
trap clean_up EXIT

printf '== a fresh %s in %s\n' "$suite" "$root" >&2
debootstrap --variant=minbase "$suite" "$root" >"$root.log" 2>&1 || {
    tail -n 20 "$root.log" >&2
    exit 1
}
rm -f "$root.log"
chmod 755 "$root" # other users of it must be able to enter, as on any Debian
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
git clone -q "$top" "$root/root/bitferry"

# shellcheck disable=SC2016 # expanded inside
unshare --mount --pid --fork --kill-child bash -c '
    set -e
    root=$1
    mount --make-rprivate /
    mount --bind "$root" "$root" # unshare wants a root that is a mount
    mount -t proc none "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=1777 none "$root/tmp"
    exec chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" CI="${CI:-}" \
        LANG=C.UTF-8 bash -c "cd /root/bitferry && $2"
' fresh-root "$root" "$commands"
