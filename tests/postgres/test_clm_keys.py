"""SSH keys of users: made, imported, found and deleted."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from clm.rules.ssh_key import KeyRefused
from clm.services.key import KeyKnown, TooManyKeys, make_pair
from cm.rpc.errors import InvalidParameter, NameTaken, NotAuthenticated, ObjectNotFound
from support.clm import CloudBench

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@home"


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_generate(bench: CloudBench, kind: str) -> None:
    """The private part is told once, fits the public one, and is in no table."""
    made = bench.call("user.key.generate", {"name": "laptop", "kind": kind})
    private = made.pop("private_key")
    assert private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")
    public = load_ssh_private_key(private.encode(), None).public_key()
    assert made["public_key"].startswith(public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())
    assert bench.call("user.key.get", ["laptop"]) == made
    secret = private.splitlines()[3]
    assert bench.sql("SELECT count(*) FROM ssh_key WHERE ssh_key::text LIKE :s", s=f"%{secret}%") == 0
    assert bench.sql("SELECT count(*) FROM change WHERE object LIKE '%PRIVATE%'") == 0
    assert bench.sql("SELECT arguments::text FROM audit WHERE method = 'user.key.generate'").count(secret) == 0


def test_ssh_keygen_reads_it(bench: CloudBench, tmp_path: Path) -> None:
    """OpenSSH reads the private part and finds the public one in it."""
    made = bench.call("user.key.generate", ["laptop", "rsa"])
    path = tmp_path / "key"
    path.write_text(made["private_key"])
    path.chmod(0o600)
    told = subprocess.run(["ssh-keygen", "-y", "-f", path], capture_output=True, text=True, check=True, timeout=30)
    assert made["public_key"].split()[:2] == told.stdout.split()[:2]
    listed = subprocess.run(["ssh-keygen", "-l", "-f", path], capture_output=True, text=True, check=True, timeout=30)
    assert listed.stdout.split()[:2] == ["3072", made["fingerprint"]]


def test_add_and_find(bench: CloudBench) -> None:
    """An imported key is found by name and id, and only by its owner."""
    made = bench.call("user.key.add", ["home", KEY + "\n"])
    assert made["public_key"] == KEY and made["kind"] == "ssh-ed25519"
    assert made["fingerprint"] == "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
    assert bench.call("user.key.get_by_id", [made["key_id"]]) == bench.call("user.key.get", ["home"]) == made
    assert bench.call("user.key.get_list") == [made]
    assert bench.call("user.key.get_list", login="bob") == []
    for method, arguments in (
        ("get", ["home"]),
        ("get_by_id", [made["key_id"]]),
        ("delete", ["home"]),
        ("delete_by_id", [made["key_id"]]),
    ):
        with pytest.raises(ObjectNotFound):
            bench.call(f"user.key.{method}", arguments, login="bob")
        with pytest.raises(NotAuthenticated):
            bench.call(f"user.key.{method}", arguments, login=None)
    bench.call("user.key.delete", ["home"])
    with pytest.raises(ObjectNotFound):
        bench.call("user.key.delete", ["home"])
    again = bench.call("user.key.add", ["home", KEY])
    bench.call("user.key.delete_by_id", [again["key_id"]])
    assert bench.call("user.key.get_list") == []
    events = bench.sql("SELECT string_agg(event, ' ' ORDER BY id) FROM change WHERE kind = 'key'")
    assert events == "enter exit enter exit"


def test_twice(bench: CloudBench) -> None:
    """A name or a key that is there already is told apart; others may have both."""
    bench.call("user.key.add", ["home", KEY])
    with pytest.raises(KeyKnown) as known:
        bench.call("user.key.add", ["work", KEY.replace("me@home", "other")])
    assert known.value.name == "home"
    with pytest.raises(NameTaken):
        bench.call("user.key.generate", ["home"])
    bench.call("user.key.add", ["home", KEY], login="bob")


def test_refused(bench: CloudBench) -> None:
    """What is no key is refused with a reason, and nothing is stored."""
    with pytest.raises(KeyRefused):
        bench.call("user.key.add", ["home", "ssh-dss AAAA"])
    for bad in ([" ", KEY], ["home", "x" * 20_000], ["home", ""]):
        with pytest.raises(InvalidParameter):
            bench.call("user.key.add", bad)
    with pytest.raises(InvalidParameter):
        bench.call("user.key.generate", ["home", "dsa"])
    assert bench.call("user.key.get_list") == []


def test_refused_early(bench: CloudBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused of any key costs no search for primes: a name that is taken, and one key too many."""
    made: list[str] = []

    def watched(kind: str, comment: str) -> Any:
        made.append(comment)
        return make_pair(kind, comment)

    monkeypatch.setattr("clm.services.key.make_pair", watched)
    bench.call("user.key.generate", ["home", "ed25519"])
    with pytest.raises(NameTaken):
        bench.call("user.key.generate", ["home", "rsa"])
    for number in range(bench.manager.policy.keys_max - 1):
        bench.sql(
            "INSERT INTO ssh_key (user_id, name, kind, public_key, fingerprint, fingerprint_md5)"
            " VALUES (:u, :n, 'ssh-ed25519', 'x', :n, 'x')",
            u=bench.ids["ann"],
            n=f"old {number}",
        )
    with pytest.raises(TooManyKeys):
        bench.call("user.key.generate", ["another", "rsa"])
    assert made == ["home"]


def test_limit(bench: CloudBench) -> None:
    """Many at once do not get past the limit."""
    most = bench.manager.policy.keys_max
    for number in range(most - 2):
        bench.sql(
            "INSERT INTO ssh_key (user_id, name, kind, public_key, fingerprint, fingerprint_md5)"
            " VALUES (:u, :n, 'ssh-ed25519', 'x', :n, 'x')",
            u=bench.ids["ann"],
            n=f"old {number}",
        )
    lines = [make_pair("ed25519", "x")[1].text for _ in range(8)]

    def add(number: int) -> Any:
        try:
            return bench.call("user.key.add", [f"new {number}", lines[number]])
        except TooManyKeys as error:
            return error

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(add, range(8)))
    refused = [result for result in results if isinstance(result, TooManyKeys)]
    assert len(refused) == 6 and refused[0].limit == most
    assert len(bench.call("user.key.get_list")) == most
