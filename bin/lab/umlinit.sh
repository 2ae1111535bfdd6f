#!/bin/bash
# Process 1 of a lab host that is a User Mode Linux: a kernel of its own, whose root is this machine's file system.
# From its command line: lab_name, lab_root (the host's directory, written by hosts.py), lab_address, lab_gateway, lab_modules.
export PATH=/usr/sbin:/sbin:/usr/bin:/bin LC_ALL=C.UTF-8 LVM_SUPPRESS_FD_WARNINGS=1
root=$lab_root
exec >>"$root/init.log" 2>&1 </dev/null
trap 'busybox poweroff -f' ERR                   # ends the kernel, which a dead process 1 would not
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs -o mode=755 tmpfs /run
mountpoint -q /dev || mount -t devtmpfs -o mode=755 devtmpfs /dev
mkdir -p /run/lock /dev/pts /dev/shm /dev/net
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
for link in fd:/proc/self/fd stdin:fd/0 stdout:fd/1 stderr:fd/2; do
    [ -e "/dev/${link%%:*}" ] || ln -s "${link#*:}" "/dev/${link%%:*}"
done

# Files that are looked at from outside lie in the host's directory; what has sockets in it, in this kernel's memory.
mkdir -p /run/machine/lib /run/machine/nfs
mount --bind "$root/etc" /etc/libvirt
mount --bind "$root/cache" /var/cache/libvirt
mount --bind "$root/log" /var/log/libvirt
mount --bind /run/machine/lib /var/lib/libvirt
mkdir -p /var/lib/libvirt/images
for file in hostname hosts machine-id; do
    [ ! -e /etc/$file ] || mount --bind "$root/$file" /etc/$file
done
: >/run/machine/resolv.conf                       # no name server can be reached from here
[ ! -e /etc/resolv.conf ] || mount --bind /run/machine/resolv.conf /etc/resolv.conf
cp -a /etc/lvm /run/machine/lvm                  # nobody runs udev here: LVM makes its devices itself, and waits for none
sed -i -E 's/^[# \t]*(udev_sync|udev_rules) = .*/\1 = 0/' /run/machine/lvm/lvm.conf
mount --bind /run/machine/lvm /etc/lvm
mount --bind /run/machine/nfs /var/lib/nfs

# modprobe looks for /lib/modules/$(uname -r), which is not there.
here=$(dirname "$0")
cp "$here/../../debian/wawel-node.modprobe" /run/machine/wawel-node.conf     # as the package of the node's agent has it
printf '#!/bin/sh\nexec /sbin/modprobe -d %s -C /run/machine/wawel-node.conf "$@"\n' "$lab_modules" >/run/machine/modprobe
chmod 755 /run/machine/modprobe
echo /run/machine/modprobe >/proc/sys/kernel/modprobe
for module in dm-mod dm-snapshot nfs nfsv4 tun bridge br_netfilter nf_tables nft_compat; do
    /run/machine/modprobe "$module" || echo "no module $module"
done

# Of nftables this kernel has the bridges' part alone, and nothing of iptables. What would be set of the rest is passed over,
# so that networks come up and the agent finds nothing amiss; guests here are not kept apart by it.
cat >/run/machine/nft <<'END'
#!/bin/bash
input=
[[ " $* " != *" -f - "* && " $* " != *" /dev/stdin "* ]] || input=$(cat)
[[ ! " $* $input" =~ [[:space:]](inet|ip|ip6)[[:space:]] || "$input" == *"table bridge"* ]] || exit 0
exec /run/machine/real-nft "$@" <<<"$input"
END
printf '#!/bin/sh\nexit 0\n' >/run/machine/iptables
chmod 755 /run/machine/nft /run/machine/iptables
cp -L "$(command -v nft)" /run/machine/real-nft
mount --bind /run/machine/nft "$(readlink -f "$(command -v nft)")"
for program in iptables ip6tables ebtables; do
    program=$(readlink -f "$(command -v $program || true)")
    [ ! -e "$program" ] || mountpoint -q "$program" || mount --bind /run/machine/iptables "$program"
done

hostname "$lab_name"
ip link set lo up
ip addr add "$lab_address/24" dev vec0
ip link set vec0 up
ip route add default via "$lab_gateway"
echo 1 >/proc/sys/net/ipv4/ip_forward
trap - ERR
python3 -I -S "$here/uml_shell.py" serve "$lab_address" &
echo ready >"$root/ready"
trap true TERM INT HUP
while :; do
    sleep 3600 &
    wait -n                                      # bash reaps whatever it inherits while it waits
done
