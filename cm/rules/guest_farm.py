"""
What the guests of a farm are told: the names of all, and how they reach each other by SSH as root.

A script does it as cloud-init runs it once. A unit of systemd asks for the names again every half minute, since a farm
grows and shrinks while its guests run; where nobody answers, as beside a seed, those stand that the script brought. It
fetches the private key, too, after each boot: that is kept in the guest's memory alone.
"""

from __future__ import annotations

import shlex
from typing import Final

from cm.rules.farm import member_name
from cm.rules.guest import Guest, GuestsFarm, host_label

FARM_PATH: Final = "/farm"
HOSTS_PATH: Final = f"{FARM_PATH}/hosts"
KEY_PATH: Final = f"{FARM_PATH}/key"
FARM_URL: Final = f"http://169.254.169.254{FARM_PATH}"
NO_FARM: Final = "none"  # said for hosts to the script within a VM of no farm: its disk comes from a farm's image
SEED_FILE: Final = "farm-key"  # on a seed: beside what cloud-init reads there, for it keeps copies of that
AGENT: Final = "wawel-farm"  # what the script calls itself: as cloud-init's name does for its own documents

_SCRIPT: Final = """\
#!/bin/sh
# The farm of this VM: its hosts, and SSH between them.
umask 077
mkdir -p /etc/wawel/farm /root/.ssh /etc/ssh/ssh_config.d
touch /root/.ssh/authorized_keys
sed -i '/ farm-[-0-9a-f]*$/d' /root/.ssh/authorized_keys
echo {public} >> /root/.ssh/authorized_keys
umask 022
cat > /etc/wawel/farm/hosts << 'END'
{hosts}END
cat > /etc/ssh/ssh_config.d/50-wawel-farm.conf << 'END'
Match originalhost {names} localuser root
    StrictHostKeyChecking accept-new
{identity}END
cat > /usr/local/sbin/wawel-farm-hosts << 'END'
#!/bin/sh
# Write the farm's hosts into /etc/hosts: as the metadata service tells them now, else as they were told last. Fetch the
# farm's key, where this guest is to have it, into memory: what is on the disk is in each image that is made of it.
url={url} kept=/etc/wawel/farm/hosts keys=/run/wawel/farm has_key={has_key}
ask() {{
    curl -fsS -m 5 -A {agent} -X $2 "$url/$1" 2>/dev/null ||
        if [ $2 = POST ]; then wget -q -T 5 -U {agent} --post-data= -O - "$url/$1" 2>/dev/null
        else wget -q -T 5 -U {agent} -O - "$url/$1" 2>/dev/null; fi ||
        python3 -c "from urllib.request import *
asked = Request('$url/$1', headers={{'User-Agent': '{agent}'}}, method='$2')
print(urlopen(asked, timeout=5).read().decode(), end='')" 2>/dev/null
}}
on_seed() {{
    for cd in CIDATA cidata config-2; do
        mkdir -p $keys/cd && mount -r -t iso9660 /dev/disk/by-label/$cd $keys/cd 2>/dev/null || continue
        cat $keys/cd/{seed_file} 2>/dev/null
        umount $keys/cd
    done
}}
fetch_key() {{
    umask 077
    mkdir -p $keys
    # No tmpfs, which is swapped to a disk.
    grep -q " $keys ramfs " /proc/mounts || mount -t ramfs -o mode=700 ramfs $keys || return
    key=$(ask key POST)
    [ -n "$key" ] || key=$(on_seed)
    case "$key" in
    *"PRIVATE KEY"*) printf '%s\\n' "$key" > $keys/new && mv $keys/new $keys/key ;;
    esac
}}
got=$(ask hosts GET)
if [ "$got" = {no_farm} ]; then
    # The disk is an image's that was made of a farm's VM: what is left of that lets its head in.
    sed -i '/ farm-[-0-9a-f]*$/d' /root/.ssh/authorized_keys
    new=$(sed '/^# farm begins$/,/^# farm ends$/d' /etc/hosts)
    printf '%s\\n' "$new" > /etc/hosts
    rm -rf /etc/wawel/farm /etc/ssh/ssh_config.d/50-wawel-farm.conf
    [ ! -d /run/systemd/system ] || systemctl disable --now --no-block wawel-farm-hosts.timer
    exit
fi
[ -z "$has_key" ] || [ -s $keys/key ] || (fetch_key)
[ -z "$got" ] || printf '%s\\n' "$got" > "$kept"
new=$(sed '/^# farm begins$/,/^# farm ends$/d' /etc/hosts; echo '# farm begins'; cat "$kept"; echo '# farm ends')
[ "$new" = "$(cat /etc/hosts)" ] || printf '%s\\n' "$new" > /etc/hosts
END
chmod 755 /usr/local/sbin/wawel-farm-hosts
/usr/local/sbin/wawel-farm-hosts
if [ -d /run/systemd/system ]; then
    cat > /etc/systemd/system/wawel-farm-hosts.service << 'END'
[Unit]
Description=Names of the farm's hosts, and its key
[Service]
Type=oneshot
ExecStart=/usr/local/sbin/wawel-farm-hosts
END
    cat > /etc/systemd/system/wawel-farm-hosts.timer << 'END'
[Unit]
Description=Names of the farm's hosts
[Timer]
OnBootSec=5
OnUnitActiveSec=30
[Install]
WantedBy=timers.target
END
    systemctl daemon-reload
    systemctl enable --now --no-block wawel-farm-hosts.timer
else
    mkdir -p /var/lib/cloud/scripts/per-boot
    ln -sf /usr/local/sbin/wawel-farm-hosts /var/lib/cloud/scripts/per-boot/wawel-farm-hosts
fi
"""
_IDENTITY: Final = "    IdentityFile /run/wawel/farm/key\n"


def farm_hosts(farm: GuestsFarm) -> str:
    """Lines of ``/etc/hosts``, the head's first; one name twice is the first one's."""
    lines: dict[str, str] = {}
    for vm_id, name, address in farm.hosts:
        lines.setdefault(host_label(name, vm_id), f"{address} {host_label(name, vm_id)}\n")
    return "".join(lines.values())


def farm_script(guest: Guest, farm: GuestsFarm) -> str:
    """
    What sets up a guest of a farm, as a shell script. All that is put in is of letters, digits and few signs: names are
    labels, keys base64. The private key is not: cloud-init keeps what it is told on the disk, as scripts do theirs.
    """
    head = host_label(farm.base, guest.vm_id) if farm.is_head else _head_label(farm)
    worker = host_label(member_name(farm.base, 1), 0).removesuffix("1") + "*"
    return _SCRIPT.format(
        has_key="yes" if farm.has_key else "",
        identity=_IDENTITY if farm.has_key else "",
        public=shlex.quote(f"{farm.public_key} farm-{farm.uuid}"),
        hosts=farm_hosts(farm),
        names=f"{head},{worker}",
        url=FARM_URL,
        agent=AGENT,
        seed_file=SEED_FILE,
        no_farm=NO_FARM,
    )


def _head_label(farm: GuestsFarm) -> str:
    vm_id = farm.hosts[0][0] if farm.hosts else 0
    return host_label(farm.base, vm_id)
