#!/usr/bin/env bash
# libvirt's hook in a real libvirt: the daemons learn of a domain that comes and goes, and no domain is
# harmed by daemons that hang, or by a libvirtd that starts anew.
. "$(dirname "$0")/test_lib.sh"

hosts_up "$scratch/hosts"
uuid=11111111-2222-3333-4444-555555555555
disk=$SHARED/hooked.qcow2
domain_disk A "$disk" 64M
domain_define A hooked $uuid vda="$disk"
a start hooked >/dev/null

# told HOST DAEMON EVENT
told() {
    grep -q "a hook tells '$3' of hooked ($uuid)" "$HOSTS/$1/var/log/$2.log"
}

a migrate --live --persistent --unsafe hooked qemu+tcp://host-b/system
wait_for 10 told B bitferry-dest 'migrate begin' || die "the destination was not told"
wait_for 10 told A bitferry-source 'release end'
[ "$(b dumpxml hooked | grep -c "<uuid>$uuid")" = 1 ] || die "the domain is another one at the destination"
ok "bitferry-dest is told of a domain that comes, bitferry-source of one that has left"

for daemon in bitferry-source bitferry-dest; do
    for host in A B; do
        hosts_run $host bash -c "kill -STOP \$(cat /run/hosts/$daemon.pid)"
    done
done
b migrate --live --persistent --unsafe hooked qemu+tcp://host-a/system
equal running "$(a domstate hooked)" "state after a migration with daemons that hang"
hosts_daemons A kill bitferry-source bitferry-dest
a destroy hooked >/dev/null
a start hooked >/dev/null
ok "daemons that hang or are gone stop nothing"

pid=$(hosts_run A cat /run/libvirt/qemu/hooked.pid)
hosts_daemons A restart libvirtd
equal "running $pid" "$(a domstate hooked) $(hosts_run A cat /run/libvirt/qemu/hooked.pid)" "after a restart of libvirtd"
ok "libvirtd's reconnect finds the domain alive"
