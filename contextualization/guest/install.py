"""The agent for guests: as one file, and as a shell script that installs it, with Python in the guest and systemd."""

from __future__ import annotations

import base64
import io
from functools import cache
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

_PACKAGE: Final = "wawel_guest"
_MAIN: Final = f"from {_PACKAGE}.asking import main\n\nmain()\n"
_SHEBANG: Final = b"#!/usr/bin/env python3\n"
_BEGAN: Final = (1980, 1, 1, 0, 0, 0)  # so that the same modules are the same file
_SCRIPT: Final = """\
#!/bin/sh
# Wawel's agent for guests: the program, and a unit that runs it from now on.
set -e
command -v python3 > /dev/null || {{ echo "wawel-guest needs python3" >&2; exit 1; }}
mkdir -p /usr/local/sbin /var/lib/wawel-guest
chmod 700 /var/lib/wawel-guest
# Newer versions of it are run if they are signed by this key.
echo '{trusted}' > /var/lib/wawel-guest/trusted
# A zip of Python's modules: python3 -m zipfile -e /usr/local/sbin/wawel-guest DIRECTORY
base64 -d > /usr/local/sbin/wawel-guest.new << 'END OF WAWEL-GUEST'
{program}END OF WAWEL-GUEST
chmod 755 /usr/local/sbin/wawel-guest.new
/usr/local/sbin/wawel-guest.new --version > /dev/null
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
TimeoutStopSec=10
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
systemctl enable wawel-guest.service
systemctl restart --no-block wawel-guest.service
"""


@cache
def program() -> bytes:
    """The agent: an archive that Python runs (zipapp), of the modules of ``agent``."""
    modules = {f"{_PACKAGE}/{path.name}": path.read_text() for path in _modules()}
    file = io.BytesIO()
    file.write(_SHEBANG)
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, text in {"__main__.py": _MAIN, **modules}.items():
            entry = ZipInfo(name, _BEGAN)
            entry.compress_type, entry.external_attr = ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, text)
    return file.getvalue()


def _modules() -> list[Path]:
    return sorted(Path(__file__).with_name("agent").glob("*.py"))


def install_script(trusted: str) -> str:
    """:param trusted: the cluster's key, as ``updating.trusted`` reads it."""
    return _SCRIPT.format(program=base64.encodebytes(program()).decode(), trusted=trusted)
