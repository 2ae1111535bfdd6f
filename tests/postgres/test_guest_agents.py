"""What is asked of guests, by the agent that they have; refused with the reason without one. Nothing is kept of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cm.interfaces.guest_agent import GuestFacts, GuestFilesystem, GuestInterface, GuestUser
from cm.rpc.errors import AgentRefused, AgentSilent, InvalidParameter, ObjectNotFound, WrongVMState
from cm.services.guest_power import CTRL_ALT_DEL
from support.cloud import MemoryCloud
from support.guest import Guest, rows

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB7LpQ8eG1Sfbm5cLyZxmDnIM6oUOHpCyDRDmpjVXhRG ala"
OTHER = KEY.replace("RG ala", "RH ola")
PASSWORD = "Correct-horse-7"


@pytest.fixture
def cloud(database_url: str, tmp_path: Path) -> Iterator[MemoryCloud]:
    made = MemoryCloud(database_url, tmp_path)
    yield made
    made.stop()


@pytest.fixture
def guest(cloud: MemoryCloud) -> Guest:
    made = Guest(cloud)
    made.node.agents[made.uuid] = True
    return made


def test_password(cloud: MemoryCloud, guest: Guest) -> None:
    """The one that is given is set, else one is drawn and told this once; a repeat is answered, and sets none."""
    ask = {"vm_id": guest.vm_id, "password": PASSWORD}
    told = cloud.call("user.vm.password_reset", ask)
    assert told == {"vm_id": guest.vm_id, "way": "agent", "user": "root", "password": None}
    inside = guest.node.insides[guest.uuid]
    assert inside.passwords == {"root": PASSWORD}
    drawn = cloud.call("user.vm.password_reset", {"vm_id": guest.vm_id, "request_id": "once"})
    assert inside.passwords == {"root": drawn["password"]} and len(drawn["password"]) == 16
    again = cloud.call("user.vm.password_reset", {"vm_id": guest.vm_id, "request_id": "once"})
    cloud.sql("DELETE FROM request RETURNING 1")  # as for a repeat that came before the first was answered
    assert cloud.call("user.vm.password_reset", {"vm_id": guest.vm_id, "request_id": "once"}) == drawn
    other = cloud.call("user.vm.password_reset", {"vm_id": guest.vm_id, "request_id": "another"})
    assert other["password"] != drawn["password"]
    assert again["password"] == drawn["password"]
    with pytest.raises(AgentRefused):
        cloud.call("user.vm.password_reset", {**ask, "user": "nobody"})
    with pytest.raises(InvalidParameter):
        cloud.call("user.vm.password_reset", {**ask, "password": "a\nroot:b"})
    kept = [str(row) for table in ("audit", "request", "operation") for row in rows(cloud, f"SELECT * FROM {table}")]
    assert kept and not [row for row in kept if PASSWORD in row or drawn["password"] in row]
    assert rows(cloud, "SELECT count(*) FROM audit WHERE method = 'user.vm.password_reset'")[0][0] == 4


def test_whose(cloud: MemoryCloud) -> None:
    """Without a name the account is the one that the VM was made for, else its image's."""
    cloud.sql("UPDATE image SET default_user = 'debian'")
    for made, login in ((Guest(cloud), "debian"), (Guest(cloud, ssh_key=KEY, ssh_username="ala"), "ala")):
        made.node.agents[made.uuid] = True
        with pytest.raises(AgentRefused, match=login):
            cloud.call("user.vm.install_keys", {"vm_id": made.vm_id, "keys": OTHER})


def test_keys(cloud: MemoryCloud, guest: Guest) -> None:
    """Keys come beside those that are there, each once, and go again."""
    ask = {"vm_id": guest.vm_id, "keys": f"{KEY}\n{OTHER}\n{KEY}\n"}
    for _ in range(2):
        told = cloud.call("user.vm.install_keys", ask)
        assert (told["way"], told["user"], told["keys"]) == ("agent", "root", [KEY, OTHER])
    for _ in range(2):
        assert cloud.call("user.vm.remove_keys", {"vm_id": guest.vm_id, "keys": KEY})["keys"] == [OTHER]
    with pytest.raises(InvalidParameter):
        cloud.call("user.vm.install_keys", {"vm_id": guest.vm_id, "keys": "no key"})


def test_info(cloud: MemoryCloud, guest: Guest) -> None:
    """What a guest tells of itself, with what it does not."""
    cloud.call("user.vm.set_time", {"vm_id": guest.vm_id})
    inside = guest.node.insides[guest.uuid]
    assert inside.unix_s > 1_700_000_000
    inside.facts = GuestFacts(
        "web", "Debian", "6.1", (GuestInterface("eth0", "02:57:0a:80:00:05", ("10.128.0.5/24",)),),
        (GuestFilesystem("/", "vda1", "ext4", 100, 50),), (GuestUser("root", 5.0),), ("users",),
    )  # fmt: skip
    told = cloud.call("user.vm.guest_info", {"vm_id": guest.vm_id})
    assert (told["way"], told["hostname"], told["silent"]) == ("agent", "web", ["users"])
    assert told["interfaces"][0]["addresses"] == ["10.128.0.5/24"] and told["filesystems"][0]["used_bytes"] == 50


@pytest.mark.parametrize("view", ["guest_info", "password_reset", "install_keys", "remove_keys", "set_time"])
def test_no_way(cloud: MemoryCloud, view: str) -> None:
    """A guest without an agent, or one that hangs, is refused with that reason; one that is off by its state."""
    made = Guest(cloud)
    ask = {"vm_id": made.vm_id, **({"keys": KEY} if "keys" in view else {})}
    for answers in (None, False):
        if answers is not None:
            made.node.agents[made.uuid] = answers
        with pytest.raises(AgentSilent, match="not connected"):
            cloud.call(f"user.vm.{view}", ask)
    with pytest.raises(ObjectNotFound):
        cloud.call(f"user.vm.{view}", ask, account="other")
    made.stop()
    with pytest.raises(WrongVMState):
        cloud.call(f"user.vm.{view}", ask)


def test_power(cloud: MemoryCloud, guest: Guest) -> None:
    """Where QEMU's agent answers it is asked to shut down and to reboot, else buttons and keys are pressed."""
    ask, node = {"vm_id": guest.vm_id}, guest.node
    assert cloud.call("user.vm.reboot", ask)["way"] == "agent"
    node.agents[guest.uuid] = False
    assert cloud.call("user.vm.reboot", ask)["way"] == "keys"
    assert node.world.pressed == [(guest.uuid, CTRL_ALT_DEL)]
    told = cloud.call("user.instance.reboot", ask)
    assert told["activity_code"] == "vm.Instance.reboot" and told["params"] == {"way": "keys"}
    node.agents[guest.uuid] = True
    asked = cloud.call("user.vm.shutdown", ask)
    assert cloud.ended(asked["operation_id"])["result"] == {"way": "agent"}
    assert node.insides[guest.uuid].left == ["reboot", "power_off"]
    with pytest.raises(WrongVMState):
        cloud.call("user.vm.reboot", ask)
    other = Guest(cloud)
    asked = cloud.call("user.vm.shutdown", {"vm_id": other.vm_id})
    assert cloud.ended(asked["operation_id"])["result"] == {"way": "button"}
