"""The agent for guests, as a shell script that installs it: with Python in the guest, and systemd."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

_SCRIPT: Final = """\
#!/bin/sh
# Wawel's agent for guests: the program, and a unit that runs it from now on.
set -e
command -v python3 > /dev/null || {{ echo "wawel-guest needs python3" >&2; exit 1; }}
mkdir -p /usr/local/sbin
cat > /usr/local/sbin/wawel-guest.new << 'END OF WAWEL-GUEST'
{program}END OF WAWEL-GUEST
chmod 755 /usr/local/sbin/wawel-guest.new
mv /usr/local/sbin/wawel-guest.new /usr/local/sbin/wawel-guest
[ -d /run/systemd/system ] || {{ echo "start /usr/local/sbin/wawel-guest at boot: there is no systemd" >&2; exit 0; }}
cat > /etc/systemd/system/wawel-guest.service << 'END'
[Unit]
Description=Wawel's agent for guests
Wants=network-online.target
After=network-online.target
[Service]
ExecStart=/usr/local/sbin/wawel-guest
Restart=always
RestartSec=5
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable wawel-guest.service
systemctl restart --no-block wawel-guest.service
"""


@cache
def install_script() -> str:
    return _SCRIPT.format(program=Path(__file__).with_name("agent.py").read_text())
