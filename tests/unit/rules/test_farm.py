"""Farms: the state shown, when workers start, which of them go, and what guests are told."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from email import message_from_string
from email.message import Message
from ipaddress import ip_address
from typing import cast

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.errors import InvalidParameter
from cm.rpc.vocabulary import FarmState, MetadataSource, VMState
from cm.rules.cloud_init import seed_files, vendor_text
from cm.rules.farm import (
    HEAD,
    HEAD_S,
    LOOK_S,
    FarmHeadDown,
    Head,
    Member,
    farm_state,
    leaving,
    release,
)
from cm.rules.guest_farm import SEED_FILE, farm_hosts, farm_script
from cm.services.farm_key import farm_secret_from, private_key_for, public_key
from support.farm import SECRET, UUID, guest

NOW = datetime(2026, 3, 1, tzinfo=UTC)
STATES = st.sampled_from(list(VMState))


@st.composite
def farms(draw: st.DrawFn) -> list[Member]:
    numbers = draw(st.lists(st.integers(0, 40), unique=True, max_size=8))
    return [Member(100 + number, number, draw(STATES)) for number in sorted(numbers)]


class TestState:
    @given(farms(), st.booleans())
    def test_total(self, members: list[Member], greeted: bool) -> None:
        """Every farm has a state; it is destroyed exactly when it has no VM, and running only if all of it runs."""
        state = farm_state(members, greeted)
        assert (state is FarmState.DESTROYED) == (not members)
        if state is FarmState.RUNNING:
            assert {member.state for member in members} == {VMState.RUNNING} and members[0].number == HEAD

    def test_as_it_comes_up(self) -> None:
        """From the head's start over the workers' to all of it; a worker that failed shows."""
        s = VMState

        def state(greeted: bool, *states: VMState) -> FarmState:
            return farm_state([Member(i, i, each) for i, each in enumerate(states)], greeted)

        assert state(False, s.STARTING, s.STARTING) is FarmState.STARTING_HEAD
        assert state(False, s.RUNNING, s.STARTING) is FarmState.STARTING_HEAD
        assert state(True, s.RUNNING, s.STARTING) is FarmState.STARTING_WORKERS
        assert state(True, s.RUNNING, s.RUNNING) is FarmState.RUNNING
        assert state(True, s.RUNNING, s.ERROR) is FarmState.DEGRADED
        assert state(True, s.ERROR, s.RUNNING) is FarmState.ERROR
        assert state(True, s.SAVING, s.DESTROYING) is FarmState.SAVING_HEAD
        assert state(True, s.DESTROYING, s.RUNNING) is FarmState.DESTROYING
        assert state(True, s.STOPPED, s.STOPPED) is FarmState.STOPPED


class TestRelease:
    @given(STATES, st.booleans(), st.booleans(), st.none() | st.floats(0, 3 * HEAD_S))
    def test_ends(self, state: VMState, greeted: bool, tells: bool, since: float | None) -> None:
        """A worker starts, waits for a bounded time with a reason, or is refused; it waits never past the bound."""
        launched = None if since is None else NOW - timedelta(seconds=since)
        head = Head(7, "sums", state, "", greeted, tells, launched)
        try:
            found = release(head, NOW)
        except FarmHeadDown:
            assert state not in (VMState.STARTING, VMState.RUNNING, VMState.PAUSED, VMState.REBOOTING)
            return
        if not found.starts:
            assert found.reason and 0 < found.look_s <= LOOK_S
        up = state is not VMState.STARTING
        assert found.starts == (up and (greeted or not tells or (since is not None and since >= HEAD_S)))
        if found.starts and up and not greeted and tells:
            assert "hello" in found.reason

    def test_head_down(self) -> None:
        """The refusal says what is with the head."""
        with pytest.raises(FarmHeadDown, match=r"VM 7, is error \(no room\)"):
            release(Head(7, "sums", VMState.ERROR, "no room.", False, True, None), NOW)


class TestLeaving:
    @given(farms(), st.integers(1, 10))
    def test_youngest(self, members: list[Member], count: int) -> None:
        """The youngest go, never the head, none that goes already, and exactly so many."""
        there = [m for m in members if m.number != HEAD and m.state is not VMState.DESTROYING]
        if count > len(there):
            with pytest.raises(InvalidParameter):
                leaving(members, count, None)
            return
        chosen = leaving(members, count, None)
        assert chosen == [m.vm_id for m in sorted(there, key=lambda m: -m.number)][:count]

    def test_named(self) -> None:
        """Those that are named; neither the head nor a stranger may be, and one way has to be chosen."""
        members = [Member(10 + n, n, VMState.RUNNING) for n in range(3)]
        assert leaving(members, None, [11]) == [11]
        for wrong in ([10], [99], [11, 99]):
            with pytest.raises(InvalidParameter):
                leaving(members, None, wrong)
        for both in ((None, None), (1, [11])):
            with pytest.raises(InvalidParameter):
                leaving(members, *both)


class TestGuests:
    def test_key(self) -> None:
        """The pair is the same each time and another for each farm; who is not to have the private part has none."""
        private = private_key_for(guest(), SECRET)
        held = load_ssh_private_key(private.encode(), None).public_key()
        assert held.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode() == public_key(SECRET, UUID)
        assert private_key_for(guest(1, has_key=False), SECRET) == ""
        assert public_key(SECRET, UUID.replace("5a", "5b")) != public_key(SECRET, UUID)
        # A secret that was changed since: what it derives is no key of this farm's.
        assert private_key_for(guest(), farm_secret_from(b"t" * 32)) == ""
        assert "PRIVATE" not in repr(guest()) and private not in repr(guest())

    def test_hosts(self) -> None:
        """One line for each VM, by the names that the guests go by."""
        farm = guest().farm
        assert farm is not None
        assert farm_hosts(farm) == "10.0.0.5 sums\n10.0.0.6 sums-worker-1\n10.0.0.7 sums-worker-2\n"

    def test_vendor_data(self) -> None:
        """A guest of a farm is told by parts: cloud-config, and a script. cloud-init keeps both on the disk."""
        for number, has_key in ((0, True), (1, False)):
            told = vendor_text(guest(number, has_key=has_key), "http://169.254.169.254/hello")
            parts = message_from_string(told)
            config, script = cast(list[Message], parts.get_payload())
            assert config.get_content_type() == "text/cloud-config"
            assert '"phone_home"' in cast(str, config.get_payload())
            assert script.get_content_type() == "text/x-shellscript"
            assert "PRIVATE KEY-----" not in told and ("IdentityFile /run/" in told) == has_key
            assert public_key(SECRET, UUID) in told

    @pytest.mark.parametrize("source", [MetadataSource.SEED_ISO, MetadataSource.CONFIG_DRIVE])
    def test_seed(self, source: MetadataSource) -> None:
        """A seed has the key in a file that cloud-init does not read, and so keeps no copy of; or not at all."""
        private = private_key_for(guest(), SECRET)
        files = seed_files(guest(), source, "krakow", "http://x/hello", farm_key=private)
        assert {name for name, content in files.items() if b"PRIVATE KEY-----" in content} == {SEED_FILE}
        assert files[SEED_FILE] == private.encode()
        assert SEED_FILE not in seed_files(guest(), source, "krakow", "http://x/hello")

    @given(st.text(min_size=1, max_size=48))
    def test_no_way_out(self, base: str) -> None:
        """Whatever a farm is called: its script says of it letters, digits and hyphens alone."""
        asked = guest(base=base)
        assert asked.farm is not None
        script = farm_script(asked, asked.farm)
        (match,) = [line for line in script.splitlines() if line.startswith("Match")]
        assert set(match.split()[2]) <= set("abcdefghijklmnopqrstuvwxyz0123456789-,*")
        for line in farm_hosts(asked.farm).splitlines():
            address, name = line.split(" ")
            assert ip_address(address) and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")

    def test_shell_reads_it(self) -> None:
        """The script, and the one that it writes, are what a shell takes."""
        asked = guest()
        assert asked.farm is not None
        script = farm_script(asked, asked.farm)
        subprocess.run(["sh", "-n"], input=script.encode(), check=True)
        _, _, rest = script.partition("/usr/local/sbin/wawel-farm-hosts << 'END'\n")
        inner, _, _ = rest.partition("\nEND\n")
        subprocess.run(["sh", "-n"], input=inner.encode(), check=True)
