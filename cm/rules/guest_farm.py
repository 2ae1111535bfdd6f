"""
What the guests of a farm are told: the names of all, and how they reach each other by SSH as root.

A script does it as cloud-init runs it once. A unit of systemd asks for the names again every half minute, since a farm
grows and shrinks while its guests run; where nobody answers, as beside a seed, those stand that the script brought.
"""

from __future__ import annotations

import shlex
from typing import Final

from cm.rules.farm import member_name
from cm.rules.guest import Guest, GuestsFarm, host_label

HOSTS_PATH: Final = "/farm/hosts"
HOSTS_URL: Final = f"http://169.254.169.254{HOSTS_PATH}"
AGENT: Final = "wawel-farm"  # what the script calls itself: as cloud-init's name does for its own documents

_SCRIPT: Final = """\
#!/bin/sh
# The farm of this VM: its hosts, and SSH between them.
umask 077
mkdir -p /etc/wawel/farm /root/.ssh /etc/ssh/ssh_config.d
{key}grep -qxF {public} /root/.ssh/authorized_keys 2>/dev/null || echo {public} >> /root/.ssh/authorized_keys
umask 022
cat > /etc/wawel/farm/hosts << 'END'
{hosts}END
cat > /etc/ssh/ssh_config.d/50-wawel-farm.conf << 'END'
Match originalhost {names} localuser root
    StrictHostKeyChecking accept-new
{identity}END
cat > /usr/local/sbin/wawel-farm-hosts << 'END'
#!/bin/sh
# Write the farm's hosts into /etc/hosts: as the metadata service tells them now, else as they were told last.
url={url} kept=/etc/wawel/farm/hosts
got=$(curl -fsS -m 5 -A {agent} "$url" 2>/dev/null || wget -q -T 5 -U {agent} -O - "$url" 2>/dev/null ||
    python3 -c "from urllib.request import *
print(urlopen(Request('$url', headers={{'User-Agent': '{agent}'}}), timeout=5).read().decode(), end='')" 2>/dev/null)
[ -z "$got" ] || printf '%s\\n' "$got" > "$kept"
new=$(sed '/^# farm begins$/,/^# farm ends$/d' /etc/hosts; echo '# farm begins'; cat "$kept"; echo '# farm ends')
[ "$new" = "$(cat /etc/hosts)" ] || printf '%s\\n' "$new" > /etc/hosts
END
chmod 755 /usr/local/sbin/wawel-farm-hosts
/usr/local/sbin/wawel-farm-hosts
if [ -d /run/systemd/system ]; then
    cat > /etc/systemd/system/wawel-farm-hosts.service << 'END'
[Unit]
Description=Names of the farm's hosts
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
fi
"""
_IDENTITY: Final = "    IdentityFile /etc/wawel/farm/key\n"
_KEY: Final = """\
cat > /etc/wawel/farm/key << 'END'
{key}END
"""


def farm_hosts(farm: GuestsFarm) -> str:
    """Lines of ``/etc/hosts``, the head's first; one name twice is the first one's."""
    lines: dict[str, str] = {}
    for vm_id, name, address in farm.hosts:
        lines.setdefault(host_label(name, vm_id), f"{address} {host_label(name, vm_id)}\n")
    return "".join(lines.values())


def farm_script(guest: Guest, farm: GuestsFarm, private_key: str) -> str:
    """
    What sets up a guest of a farm, as a shell script. All that is put in is of letters, digits and few signs: names are
    labels, keys base64.

    :param private_key: as OpenSSH keeps it; "": this guest is not to have it.
    """
    head = host_label(farm.base, guest.vm_id) if farm.is_head else _head_label(farm)
    worker = host_label(member_name(farm.base, 1), 0).removesuffix("1") + "*"
    return _SCRIPT.format(
        key=_KEY.format(key=private_key) if private_key else "",
        identity=_IDENTITY if private_key else "",
        public=shlex.quote(f"{farm.public_key} farm-{farm.uuid}"),
        hosts=farm_hosts(farm),
        names=f"{head},{worker}",
        url=HOSTS_URL,
        agent=AGENT,
    )


def _head_label(farm: GuestsFarm) -> str:
    vm_id = farm.hosts[0][0] if farm.hosts else 0
    return host_label(farm.base, vm_id)
