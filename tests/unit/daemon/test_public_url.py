"""Where people's programs are told to come: what the settings say, or else where the manager listens."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cm.daemon.app import public_url_of
from cm.daemon.settings import ClusterSettings, ListenSettings, Settings, check_settings
from cm.runtime.settings import SettingsError

PEM = Path("/etc/wawel/cm.pem")


@pytest.mark.parametrize(
    ("told", "listen", "expected"),
    [
        ("https://krakow.example/", ListenSettings(), "https://krakow.example"),
        ("", ListenSettings(rpc="127.0.0.1:8001"), "http://127.0.0.1:8001"),
        ("", ListenSettings(rpc="[::1]:8001", tls_certificate=PEM, tls_key=PEM), "https://[::1]:8001"),
        ("", ListenSettings(rpc="*:8001", tls_certificate=PEM, tls_key=PEM), f"https://{socket.getfqdn()}:8001"),
        ("", ListenSettings(rpc="unix:/run/wawel/cm.sock"), ""),
        ("", ListenSettings(rpc=""), ""),
    ],
)
def test_where(told: str, listen: ListenSettings, expected: str) -> None:
    """A name stands for every address; a socket of this machine is nowhere that people could come to."""
    assert public_url_of(Settings(listen=listen, cluster=ClusterSettings(public_url=told))) == expected


@pytest.mark.parametrize("wrong", ["krakow.example", "ftp://krakow.example", "https://", "https://a.example/path"])
def test_wrong(wrong: str) -> None:
    """What is no address of a server is refused at the start."""
    with pytest.raises(SettingsError, match="public_url"):
        check_settings(Settings(cluster=ClusterSettings(public_url=wrong)))
