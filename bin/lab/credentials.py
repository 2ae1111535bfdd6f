"""Who may call a demo's or a test's cloud, and the files that tell it, readable by their owner alone."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

FILE = "credentials.json"


@dataclass(frozen=True)
class Account:
    login: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Credentials:
    admin: Account
    user: Account


def keep_credentials(base: Path) -> Credentials:
    """Those of an earlier start in the same directory, else new ones."""
    try:
        kept = json.loads((base / FILE).read_text())
    except (OSError, ValueError):
        kept = {}

    def account(name: str, login: str) -> Account:
        told = kept.get(name) or {"login": login, "password": secrets.token_urlsafe(12)}
        return Account(told["login"], told["password"])

    return Credentials(account("admin", "admin"), account("user", "demo"))


def write_credentials(base: Path, url: str, accounts: Mapping[str, Account]) -> None:
    """
    Write what clients need: ``credentials.json`` for programs, ``admin.curl`` and the like for ``curl -K``, which so
    gets the password without showing it in the process list.
    """
    told: dict[str, object] = {"url": url, "jsonrpc": f"{url}/jsonrpc"}
    for name, account in accounts.items():
        place = url.replace("://", f"://{account.login}:{account.password}@")
        told[name] = {"login": account.login, "password": account.password, "xmlrpc": f"{place}/RPC2"}
        write_private(
            base / f"{name}.curl",
            f'url = "{url}/jsonrpc"\nuser = "{account.login}:{account.password}"\n'
            'header = "Content-Type: application/json"\nsilent\nshow-error\n',
        )
    write_private(base / FILE, json.dumps(told, indent=1) + "\n")


def write_private(path: Path, text: str) -> None:
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    new.replace(path)
