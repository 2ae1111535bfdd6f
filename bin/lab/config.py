"""The configuration files of the product's programs, and the ports that stand in them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def write_config(
    base: Path, name: str, database: str, *, rpc: str, contextualization: str, images: Sequence[Path], separate: bool,
    more: Mapping[str, Mapping[str, Any]],
) -> Path | None:  # fmt: skip
    """
    Write ``cm.toml``.

    :param separate: the endpoint is a program of its own, with a file of its own.
    :param more: settings by table that outweigh the ones made here.
    :return: that second file.
    """
    tables: dict[str, dict[str, Any]] = {
        "database": {"url": database},
        # The endpoint listens on the address that only our own hosts reach, so it may do without TLS.
        "listen": {"rpc": rpc, "contextualization": "" if separate else contextualization, "insecure": True},
        "cluster": {"name": name, "state_dir": str(base / "cm")},
        "images": {"directories": [str(path) for path in images]},
    }
    for table, values in more.items():
        tables.setdefault(table, {}).update(values)
    write_toml(base / "cm.toml", tables)
    if not separate:
        return None
    own = {
        "database": tables["database"],
        "listen": {"contextualization": contextualization, "insecure": True},
        "cluster": {"name": tables["cluster"]["name"], "state_dir": tables["cluster"]["state_dir"]},
    }
    return write_toml(base / "contextualization.toml", own)


def write_toml(path: Path, tables: Mapping[str, Mapping[str, Any]]) -> Path:
    """Texts, numbers, booleans and lists of them are written alike in JSON and TOML."""
    lines = []
    for name, values in tables.items():
        lines.append(f"[{name}]")
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    path.write_text("\n".join(lines) + "\n")
    return path


# Reserved ports, each by a socket that ends with this process, in whatever way.
_given: dict[int, socket.socket] = {}
_giving = threading.Lock()


def free_port(wanted: int = 0) -> int:
    """
    A port that is free on loopback, and that no other lab of this machine's network is about to listen on: the one
    wanted, if it is such.
    """
    with _giving:
        while True:
            with socket.socket() as found:
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    found.bind(("127.0.0.1", wanted))
                except OSError:
                    found.bind(("127.0.0.1", 0))
                port: int = found.getsockname()[1]
            # Several managers start at once, ours and those of another demo; none of them listens yet.
            if port not in _given and _reserve(port):
                return port
            wanted = 0


def _reserve(port: int) -> bool:
    """Take a name in the abstract namespace of sockets, which is the network namespace's as ports are."""
    token = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
    try:
        token.bind(f"\0wawel-lab-port-{port}")
    except OSError:
        token.close()
        return False
    _given[port] = token
    return True
