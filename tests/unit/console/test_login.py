"""Logging in and out, profiles, and where tokens go."""

from __future__ import annotations

import json
import stat
import threading
import tomllib
from pathlib import Path
from urllib.request import urlopen

import pytest

from clm.console import profiles
from clm.console.oidc import Listener
from clm.console.problems import Problem

from .conftest import Wawel, log_in
from .wire import OTP, PASSWORD, Wire


def test_login(wawel: Wawel, lone: Wire, home: Path) -> None:
    """A profile is made, its token kept apart in a file of the user's alone, and commands use it."""
    log_in(lone)
    config = tomllib.loads((home / "config/wawel/config.toml").read_text())
    assert config == {
        "default": "anna", "profiles": {"anna": {"url": lone.url, "kind": "cm", "login": "anna"}}
    }  # fmt: skip
    sessions = home / "config/wawel/sessions.json"
    assert stat.S_IMODE(sessions.stat().st_mode) == 0o600
    assert "anna-token" not in (home / "config/wawel/config.toml").read_text()
    told = json.loads(wawel("whoami", "-o", "json").out)
    assert (told["login"], told["profile"]) == ("anna", "anna")


def test_wrong_password(wawel: Wawel, lone: Wire, home: Path) -> None:
    """Nothing is kept of a login that was refused."""
    done = wawel("login", "--url", lone.url, "--login", "anna", "--password-file", "-", standard_input="no\n")
    assert (done.code, done.out) == (3, "")
    assert "wrong" in done.told
    assert not (home / "config/wawel").exists()


def test_second_factor(wawel: Wawel, cloud: Wire) -> None:
    """The code is the second line of standard input, asked for when the server wants it, or at once by --otp."""
    log_in = ("login", "--url", cloud.url, "--login", "otto", "--password-file", "-")
    assert wawel(*log_in, standard_input=f"{PASSWORD}\n{OTP}\n").code == 0
    assert wawel(*log_in, "--otp", standard_input=f"{PASSWORD}\n{OTP}\n").code == 0
    done = wawel(*log_in, standard_input=f"{PASSWORD}\n000000\n")
    assert (done.code, done.told.count("\n")) == (3, 2)


def test_no_password_and_nobody_to_ask(wawel: Wawel, lone: Wire) -> None:
    """Without a terminal a password has to come from a file; the message says how."""
    done = wawel("login", "--url", lone.url, "--login", "anna")
    assert (done.code, "--password-file" in done.told) == (2, True)


def test_api_key(wawel: Wawel, lone: Wire, tmp_path: Path) -> None:
    """An API key is its own token, and never expires here."""
    key = tmp_path / "key"
    key.write_text("anna-key\n")
    done = wawel("login", "--url", lone.url, "--api-key-file", str(key))
    assert (done.code, "as anna" in done.told) == (0, True)
    assert wawel("vm", "ls").code == 0
    key.write_text("stolen\n")
    assert wawel("login", "--url", lone.url, "--api-key-file", str(key)).code == 3


def test_logout(anna: Wawel, home: Path) -> None:
    """The token is forgotten, the profile stays."""
    assert anna("logout").code == 0
    assert "anna-token" not in (home / "config/wawel/sessions.json").read_text()
    done = anna("vm", "ls")
    assert (done.code, "wawel login" in done.told) == (3, True)


def test_token_stays_with_its_address(anna: Wawel, cloud: Wire) -> None:
    """A token is sent nowhere but to the address that gave it, whatever the profile says later."""
    config = profiles.read_config()
    moved = profiles.Profile("anna", cloud.url, "cm")
    profiles.write_config(profiles.Config("anna", {**config.profiles, "anna": moved}))
    assert anna("vm", "ls").code == 3
    assert anna("--url", cloud.url, "vm", "ls").code == 3


def test_environment(wawel: Wawel, lone: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """WAWEL_URL and WAWEL_TOKEN are enough; WAWEL_PROFILE chooses a profile."""
    monkeypatch.setenv("WAWEL_URL", lone.url)
    monkeypatch.setenv("WAWEL_TOKEN", "anna-token")
    assert wawel("vm", "ls").code == 0
    monkeypatch.setenv("WAWEL_TOKEN", "no\nsuch: header")
    assert wawel("vm", "ls").code == 2
    monkeypatch.delenv("WAWEL_TOKEN")
    assert wawel("vm", "ls").code == 3
    monkeypatch.delenv("WAWEL_URL")
    monkeypatch.setenv("WAWEL_PROFILE", "nobody")
    done = wawel("vm", "ls")
    assert (done.code, "nobody" in done.told) == (2, True)


def test_profiles(wawel: Wawel, lone: Wire, cloud: Wire) -> None:
    """Several are kept; one is in use; each can be shown, changed, used and removed."""
    log_in(lone)
    log_in(cloud, "root")
    told = {each["name"]: each for each in json.loads(wawel("profile", "list", "-o", "json").out)}
    assert (told["anna"]["kind"], told["root"]["kind"]) == ("lone cluster", "cloud")
    assert [name for name, each in told.items() if each["in_use"]] == ["root"]
    assert wawel("profile", "use", "anna").code == 0
    assert json.loads(wawel("profile", "show", "-o", "json").out)["url"] == lone.url
    assert wawel("profile", "set", "root", "--cluster", "south", "--format", "json").code == 0
    cloud.clusters[1].add_vm("there")
    assert [vm["name"] for vm in json.loads(wawel("--profile", "root", "vm", "ls", "-A").out)] == ["there"]
    assert wawel("profile", "remove", "root").code == 0
    assert wawel("profile", "remove", "root").code == 2
    assert wawel("--profile", "root", "vm", "ls").code == 2
    assert list(profiles.read_sessions()) == ["anna"]


def test_newer_server(wawel: Wawel, lone: Wire) -> None:
    """What a server can beyond what we know can be called once somebody logged in."""
    assert wawel("--url", lone.url, "echo", "back", "--value", "[1]").code == 2
    log_in(lone)
    done = wawel("echo", "back", "--value", '{"a": [1]}', "-o", "json")
    assert (done.code, json.loads(done.out)) == (0, {"a": [1]})


def test_oidc(wawel: Wawel, cloud: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """The browser, here a thread, comes back to the listener with the code."""
    visits: list[int] = []

    def open_browser(url: str) -> bool:
        def visit() -> None:
            stray = url.replace("the-state", "another")
            for each in (stray, url):
                try:
                    with urlopen(each, timeout=5) as answer:
                        visits.append(answer.status)
                except OSError as error:
                    visits.append(getattr(error, "code", 0))

        threading.Thread(target=visit).start()
        return True

    monkeypatch.setattr("webbrowser.open", open_browser)
    done = wawel("login", "--url", cloud.url, "--oidc", "google")
    assert (done.code, "as anna" in done.told) == (0, True), done.told
    assert visits[0] == 404  # a visit that does not know the state is turned away


def test_oidc_patience() -> None:
    """Nobody waits for ever."""
    with Listener() as listener, pytest.raises(Problem) as caught:
        listener.wait(0.1)
    assert caught.value.exit_code == 4


def test_password_change(anna: Wawel, lone: Wire) -> None:
    """Both passwords may come by standard input, a line each."""
    done = anna("password", "change", "--old-file", "-", "--new-file", "-", standard_input=f"{PASSWORD}\nnewer one\n")
    assert (done.code, lone.cluster.calls) == (0, [("set_password", {"new_password": "newer one"})])
    assert anna("password", "change", "--old-file", "-", "--new-file", "-", standard_input="x\ny\n").code == 1


def test_register(wawel: Wawel, cloud: Wire) -> None:
    """Somebody without an account registers, an administrator lets them in."""
    done = wawel("--url", cloud.url, "register", "--login", "eva", "--email", "eva@example.org", "--password-file", "-",
                 standard_input="a password\n")  # fmt: skip
    assert (done.code, "administrator" in done.told) == (0, True), done.told
    log_in(cloud, "root")
    assert json.loads(wawel("user", "activate", "eva", "-o", "json").out)["state"] == "active"


def test_a_lone_cluster_registers_nobody(wawel: Wawel, lone: Wire) -> None:
    """It says that it has no such method, and what may be the reason."""
    done = wawel("--url", lone.url, "activate", "token")
    assert (done.code, "lone cluster" in done.told) == (1, True)
