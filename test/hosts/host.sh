#!/usr/bin/env bash
# host.sh NAME FOLDER: the first process of a host.  hosts_lib.sh starts it in namespaces of its own; all
# that the host is ends with it.
#
# What a host has to itself: processes, network, host name, /run, /sys, and its own layer over /etc,
# /var/lib, /var/log and /var/cache.  FOLDER keeps these layers, where they can be looked at from outside.
set -euo pipefail

name=$1
folder=$2

# Outside's number of this process: /proc is still outside's.
read -r pid _ </proc/self/stat

mount --make-rprivate /
mount -t proc none /proc
mount -t sysfs none /sys
for layered in etc var/lib var/log var/cache; do
    mkdir -p "$folder/$layered" "$folder/.work/$layered"
    mount -t overlay -o "lowerdir=/$layered,upperdir=$folder/$layered,workdir=$folder/.work/$layered" \
        "host-$name" "/$layered"
done
mount -t tmpfs -o mode=755 none /run
mkdir -p /run/lock /run/bitferry /var/lib/bitferry /var/lib/libvirt/{images,shared} /var/log/libvirt/qemu
mount --bind "$folder/images" /var/lib/libvirt/images
mount --bind "$folder/../shared" /var/lib/libvirt/shared
hostname "host-${name,,}"
ip link set lo up

printf '%s\n' "$pid" >"$folder/pid.new"
mv "$folder/pid.new" "$folder/pid"

# Processes whose parent ends are this one's to bury: bash does so whenever it waits.
cd /
while :; do
    sleep 3600 &
    wait $!
done
