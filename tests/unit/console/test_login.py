"""Logging in and out, profiles, and where tokens go."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import tomllib
from pathlib import Path

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


def test_another_profile_is_not_put_to_use(wawel: Wawel, lone: Wire, cloud: Wire) -> None:
    """Logging in elsewhere leaves the profile in use as it is, and says so; --use changes it, also a first login."""
    log_in(lone)
    words = ["login", "--url", cloud.url, "--login", "root", "--password-file", "-", "--profile", "other"]
    done = wawel(*words, standard_input=PASSWORD)
    assert (done.code, "Commands still mean profile anna" in done.told) == (0, True)
    assert "wawel profile use other" in done.told
    assert json.loads(wawel("whoami", "-o", "json").out)["profile"] == "anna"
    done = wawel(*words, "--use", standard_input=PASSWORD)
    assert (done.code, "still" in done.told) == (0, False)
    assert json.loads(wawel("whoami", "-o", "json").out)["profile"] == "other"


def test_newer_server(wawel: Wawel, lone: Wire) -> None:
    """What a server can beyond what we know can be called once somebody logged in."""
    assert wawel("--url", lone.url, "echo", "back", "--value", "[1]").code == 2
    log_in(lone)
    done = wawel("echo", "back", "--value", '{"a": [1]}', "-o", "json")
    assert (done.code, json.loads(done.out)) == (0, {"a": [1]})


BROWSER = """\
#!{python}
import sys, time
from urllib.error import HTTPError
from urllib.request import urlopen

for url in (sys.argv[1].replace("the-state", "another"), sys.argv[1]):
    try:
        with urlopen(url, timeout=10) as answer:
            status = answer.status
    except HTTPError as error:
        status = error.code
    with open("{home}/visits", "a") as file:
        print(status, file=file)
with open("{home}/stays", "w") as file:
    print(sys.stdin.isatty() or sys.stdout.isatty(), file=file)
time.sleep(60)
"""


def test_oidc(wawel: Wawel, cloud: Wire, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A browser that stays in the foreground, as lynx and w3m do, comes back with the code; nobody waits for it."""
    browser = home / "browser"
    browser.write_text(BROWSER.format(python=sys.executable, home=home) + f"# {home}\n")
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    monkeypatch.delenv("DISPLAY", raising=False)
    done = wawel("login", "--url", cloud.url, "--oidc", "google")
    assert (done.code, "as anna" in done.told) == (0, True), done.told
    assert "http://127.0.0.1:" in done.told  # for somebody whose browser is elsewhere
    assert (home / "visits").read_text().splitlines()[0] == "404"  # a visit that does not know the state is turned away
    assert end_of(browser)  # so the login did not wait for it


def end_of(browser: Path) -> int:
    """End what the login left behind, as its user would, and tell how many that were."""
    ended = 0
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().split(b"\0")
        except OSError:
            continue
        if str(browser).encode() in words:
            os.kill(int(process.parent.name), signal.SIGKILL)
            ended += 1
    return ended


def test_oidc_without_a_browser(wawel: Wawel, cloud: Wire, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where none can be started the address is told, and the wait has an end."""
    monkeypatch.setenv("BROWSER", "/bin/false")
    monkeypatch.setattr("clm.console.oidc.PATIENCE_S", 1.0)
    done = wawel("login", "--url", cloud.url, "--oidc", "google")
    assert (done.code, "http://127.0.0.1:" in done.told, "within 1 s" in done.told) == (4, True, True), done.told


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
