#!/bin/bash
# Process 1 of one lab host, in fresh mount, uts, pid, net and ipc namespaces: makes the file systems its own, then
# reaps. Usage: hostinit.sh NAME ROOT [kvm]; ROOT is the host's directory, written by hosts.py.
set -e
name=$1 root=$2 kvm=${3:-}
mount --make-rprivate /
mount -t proc proc /proc
mount --bind "$root/boot_id" /proc/sys/kernel/random/boot_id    # all hosts share one kernel, yet boot one by one
mount -t sysfs sysfs /sys                        # mounted here, it shows this network namespace; libvirt looks for bridges

# A /dev without kvm: capabilities then list plain QEMU alone, and a domain of type kvm is refused, not hung.
mount -t tmpfs -o mode=755,size=64k tmpfs "$root/dev"
mkdir -p "$root"/dev/{net,pts,shm,mapper}
for device in null zero full random urandom tty net/tun $kvm; do
    : >"$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts "$root/dev/pts"
mount -t tmpfs tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
ln -s fd/0 "$root/dev/stdin"
ln -s fd/1 "$root/dev/stdout"
ln -s fd/2 "$root/dev/stderr"
mount --rbind "$root/dev" /dev

mkdir -p /etc/libvirt /var/lib/libvirt /var/cache/libvirt /var/log/libvirt
mount --bind "$root/etc" /etc/libvirt
mount --bind "$root/lib" /var/lib/libvirt
mount --bind "$root/cache" /var/cache/libvirt
mount --bind "$root/log" /var/log/libvirt
mount --bind "$root/run" /run
mkdir -p /run/lock
for file in hostname hosts machine-id; do
    [ ! -e /etc/$file ] || mount --bind "$root/$file" /etc/$file
done
hostname "$name"
ip link set lo up
echo 1 >/proc/sys/net/ipv4/ip_forward

set +e
echo ready >"$root/ready"
trap true TERM INT HUP
while :; do
    sleep 3600 &
    wait -n                                      # bash reaps whatever it inherits while it waits
done
