"""How guests end, on a real host: each end is told apart by what libvirt knows of it, and follows its own policy."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functional.machine import PATIENCE_S, Machine
from lab.cloud import Cloud
from lab.processes import wait_until

# Of an i6300esb: its enabling bit lies in configuration space, its counters behind its first BAR, each unlocked by two
# words; a thousand of them are about a second (Intel 6300ESB I/O Controller Hub, chapter 19).
ARM = """cd /sys/bus/pci/devices; for d in *; do [ $(cat $d/device) = 0x25ab ] && break; done; echo 1 > $d/enable;
 read base rest < $d/resource; at() { echo $(($base + $1)); };
 put() { devmem $(at 12) 16 0x80; devmem $(at 12) 16 0x86; devmem $(at $1) $2 $3; };
 put 0 32 200; put 4 32 200; put 12 16 0x100; printf '\\002' | dd of=$d/config bs=1 seek=104 conv=notrunc 2>/dev/null;
 echo armed"""


@pytest.fixture(scope="module")
def cloud(start_cloud) -> Iterator[Cloud]:
    yield start_cloud(nodes=1, durable=False)


@pytest.fixture(scope="module")
def machine(cloud: Cloud) -> Iterator[Machine]:
    """Its guest's wish would be the end of it, so that nothing else may be taken for that."""
    made = Machine(cloud, name="ends", on_poweroff="destroy")
    cloud.wait_running(made.id, contextualized=False)
    cloud.user.call("user.vm.set_policy", {"vm_id": made.id, "on_crash": "stop", "on_hang": "restart"})
    yield made
    made.hang_up()


def told(machine: Machine) -> list[str]:
    found = machine.cloud.user.call("user.message.get_list")
    return [row["code"] for row in reversed(found) if row["params"].get("vm_id") == machine.id]


def ended(machine: Machine, state: str, code: str) -> dict[str, Any]:
    machine.hang_up()
    wait_until(lambda: code in told(machine), f"the message {code}", PATIENCE_S)
    found: dict[str, Any] = machine.cloud.wait_for(machine.id, state)
    return found


def test_panic(machine: Machine) -> None:
    """The kernel tells its panic device, and libvirt ends the guest, which its policy keeps stopped."""
    machine.run("(sleep 1; echo c > /proc/sysrq-trigger) >/dev/null 2>&1 & echo soon")
    found = ended(machine, "stopped", "vm_panicked")
    assert (found["seen"], found["seen_reason"]) == ("off", "panicked")
    assert "sysrq triggered crash" in machine.cloud.console_file(machine.vm).read_text(errors="replace")


def test_qemu_dies(machine: Machine) -> None:
    """As when a host that runs out of memory kills it."""
    machine.restart()
    named = machine.vm["uuid"].encode()
    [pid] = [pid for pid in machine.node.host.pids() if named in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(pid, signal.SIGKILL)
    found = ended(machine, "stopped", "vm_crashed")
    assert (found["seen"], found["seen_reason"]) == ("off", "crashed")


def test_hang(machine: Machine) -> None:
    """A guest that does not feed its watchdog is reset, and boots again. It has no driver for it: a shell arms it."""
    machine.restart()
    heard = machine.cloud.console_file(machine.vm).stat().st_size
    assert machine.run(" ".join(ARM.split("\n"))).endswith("armed")
    found = ended(machine, "running", "vm_hung")
    assert found["seen_reason"] == "reset"
    machine.cloud.wait_for_console(machine.vm, "TINY READY", PATIENCE_S, start=heard)


def test_power_off(machine: Machine) -> None:
    """And this was its wish."""
    machine.run("(sleep 1; poweroff -f) >/dev/null 2>&1 & echo soon")
    ended(machine, "destroyed", "vm_ended")
    assert told(machine)[-1] == "vm_ended" and "vm_crashed" not in told(machine)[-2:]
