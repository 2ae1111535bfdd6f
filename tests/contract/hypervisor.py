"""What every ``IHypervisor`` does."""

from __future__ import annotations

import threading
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from cm.interfaces.hypervisor import (
    DiskSpec,
    DomainEvent,
    DomainSpec,
    IHypervisor,
    NicDescription,
    NicSpec,
    VncSpec,
)
from cm.interfaces.node import INode
from cm.interfaces.source import FileSource
from cm.rpc.errors import DomainNotFound, DomainNotRunning, HypervisorError, InvalidParameter
from cm.rpc.vocabulary import DiskFormat, Seen

CTRL_ALT_DEL = (29, 56, 111)


def domain_spec(**changes: Any) -> DomainSpec:
    """The smallest domain there can be: no disk, no network."""
    identity = str(uuid.uuid4())
    spec = DomainSpec(
        name=f"contract-{identity[:8]}",
        uuid=identity,
        title="",
        vcpus=1,
        memory_mib=32,
        disks=(),
        nics=(),
        vnc=None,
        console_log=None,
    )
    return replace(spec, **changes)


def eventually(test: Callable[[], bool], timeout_s: float = 5.0) -> bool:
    """Whether ``test`` becomes true in time; events come from another thread."""
    deadline = time.monotonic() + timeout_s
    while not test():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class HypervisorContract(ABC):
    """``make`` gives a node; what a test defines on it is removed afterwards."""

    starts_anything = False  # also a domain whose disk and network are not there

    @abstractmethod
    def make(self) -> INode: ...

    @pytest.fixture()
    def hypervisor(self) -> Iterator[IHypervisor]:
        node = self.make()
        made = node.hypervisor
        before = {domain.uuid for domain in made.domains()}
        yield made
        for domain in made.domains():
            if domain.uuid not in before:
                made.destroy(domain.uuid)
                made.undefine(domain.uuid)
        node.close()

    def defined(self, hypervisor: IHypervisor, **changes: Any) -> DomainSpec:
        spec = domain_spec(**changes)
        hypervisor.define(spec)
        return spec

    def started(self, hypervisor: IHypervisor, **changes: Any) -> DomainSpec:
        spec = self.defined(hypervisor, **changes)
        hypervisor.start(spec.uuid)
        return spec

    def test_info(self, hypervisor: IHypervisor) -> None:
        """A node says what it is and what it has."""
        info = hypervisor.info()
        assert info.hostname and info.hypervisor and info.arch
        assert info.cpus > 0 and info.memory_mib > 0 and info.domain_types

    def test_measure(self, hypervisor: IHypervisor) -> None:
        """What runs is measured, what is off is not; counters only grow, and so does the time they are of."""
        off = self.defined(hypervisor)
        began = hypervisor.measure()
        assert off.uuid not in {domain.uuid for domain in began.domains}
        if not self.starts_anything:
            return
        spec = self.started(hypervisor)
        found = []
        for _ in range(2):
            seen = hypervisor.measure()
            found.append((seen.at_s, {domain.uuid: domain for domain in seen.domains}[spec.uuid]))
        (at_s, first), (later_s, second) = found
        assert began.at_s < at_s < later_s and off.uuid not in {domain.uuid for domain in seen.domains}
        assert (first.cpu_ns is None) == (second.cpu_ns is None)
        assert first.cpu_ns is None or second.cpu_ns is None or first.cpu_ns <= second.cpu_ns
        assert [disk.device for disk in first.disks] == [disk.device for disk in second.disks]
        hypervisor.destroy(spec.uuid)
        assert spec.uuid not in {domain.uuid for domain in hypervisor.measure().domains}

    def test_absent(self, hypervisor: IHypervisor) -> None:
        """An absent domain is looked at, destroyed and undefined without an error; what needs a guest says so."""
        absent = str(uuid.uuid4())
        before = {domain.uuid: domain.state for domain in hypervisor.domains()}
        assert hypervisor.look(absent).state == Seen.ABSENT
        hypervisor.destroy(absent)
        hypervisor.undefine(absent)
        with pytest.raises(DomainNotFound):
            hypervisor.start(absent)
        for press in (hypervisor.shutdown, hypervisor.reset, hypervisor.pause, hypervisor.resume):
            with pytest.raises(DomainNotRunning):
                press(absent)
        assert {domain.uuid: domain.state for domain in hypervisor.domains()} == before

    def test_define(self, hypervisor: IHypervisor) -> None:
        """A defined domain is off and listed; defining it again changes nothing."""
        spec = self.defined(hypervisor)
        hypervisor.define(spec)
        seen = hypervisor.look(spec.uuid)
        assert (seen.uuid, seen.name, seen.state, seen.persistent) == (spec.uuid, spec.name, Seen.OFF, True)
        assert [domain for domain in hypervisor.domains() if domain.uuid == spec.uuid] == [seen]

    def test_describe(self, hypervisor: IHypervisor) -> None:
        """A definition is read back, off and running alike; of an absent domain there is nothing to read."""
        spec = self.defined(
            hypervisor,
            title="a <title> & more",
            memory_mib=48,
            nics=(NicSpec("default", "02:57:c0:00:02:07", "wvc0000207"),),
            vnc=VncSpec("127.0.0.1", 5999, "secret"),
            disks=(DiskSpec(FileSource("/nowhere/a.qcow2"), DiskFormat.QCOW2, "vda"),),
        )
        for _ in range(2):
            told = hypervisor.describe(spec.uuid)
            assert told is not None
            assert (told.uuid, told.name, told.title) == (spec.uuid, spec.name, spec.title)
            assert (told.vcpus, told.memory_mib) == (1, 48)
            assert (told.nics, told.ports) == ((NicDescription("02:57:c0:00:02:07", "virtio"),), (5999,))
            (disk,) = told.disks
            assert (disk.path, disk.device, disk.bus, disk.cdrom) == ("/nowhere/a.qcow2", "vda", "virtio", False)
            assert "secret" not in repr(told)
            if not self.starts_anything:
                break
            hypervisor.start(spec.uuid)
        assert hypervisor.describe(str(uuid.uuid4())) is None

    def test_define_hostile_title(self, hypervisor: IHypervisor) -> None:
        """A title may hold any characters."""
        self.defined(hypervisor, title="</title><x a='&amp;'>\x00\n\u202e\U0001f600]]>" + "é" * 300)

    def test_define_vnc_password(self, hypervisor: IHypervisor) -> None:
        """VNC passwords have 1 to 8 characters; others are refused before anything is defined."""
        for password in ("", "ninechars"):
            spec = domain_spec(vnc=VncSpec("127.0.0.1", 5999, password))
            with pytest.raises(InvalidParameter):
                hypervisor.define(spec)
            assert hypervisor.look(spec.uuid).state == Seen.ABSENT

    def test_define_name_taken(self, hypervisor: IHypervisor) -> None:
        """Two domains of one name are refused."""
        spec = self.defined(hypervisor)
        with pytest.raises(HypervisorError):
            hypervisor.define(replace(spec, uuid=str(uuid.uuid4())))

    def test_start(self, hypervisor: IHypervisor) -> None:
        """A started domain runs; starting it again changes nothing."""
        spec = self.started(hypervisor)
        hypervisor.start(spec.uuid)
        seen = hypervisor.look(spec.uuid)
        assert (seen.state, seen.reason) == (Seen.RUNNING, "booted")
        assert seen in hypervisor.domains()

    def test_define_running(self, hypervisor: IHypervisor) -> None:
        """A new definition leaves the running domain as it is."""
        spec = self.started(hypervisor)
        hypervisor.define(replace(spec, memory_mib=64))
        assert hypervisor.look(spec.uuid).state == Seen.RUNNING

    def test_destroy(self, hypervisor: IHypervisor) -> None:
        """The power is cut and the definition stays; doing it again changes nothing."""
        spec = self.started(hypervisor)
        for _ in range(2):
            hypervisor.destroy(spec.uuid)
            seen = hypervisor.look(spec.uuid)
            assert (seen.state, seen.reason, seen.persistent) == (Seen.OFF, "destroyed", True)
        hypervisor.start(spec.uuid)
        assert hypervisor.look(spec.uuid).state == Seen.RUNNING

    def test_off(self, hypervisor: IHypervisor) -> None:
        """A domain that is off has no buttons and no keys that work."""
        spec = self.defined(hypervisor)

        def keys(uuid: str) -> None:
            hypervisor.press_keys(uuid, CTRL_ALT_DEL)

        for press in (keys, hypervisor.shutdown, hypervisor.reset, hypervisor.pause, hypervisor.resume):
            with pytest.raises(DomainNotRunning):
                press(spec.uuid)
        assert hypervisor.look(spec.uuid).state == Seen.OFF

    def test_pause_resume(self, hypervisor: IHypervisor) -> None:
        """Both may be repeated; a paused domain is destroyed like any other."""
        spec = self.started(hypervisor)
        for _ in range(2):
            hypervisor.pause(spec.uuid)
            seen = hypervisor.look(spec.uuid)
            assert (seen.state, seen.reason) == (Seen.PAUSED, "user")
        for _ in range(2):
            hypervisor.resume(spec.uuid)
            assert hypervisor.look(spec.uuid).state == Seen.RUNNING
        hypervisor.pause(spec.uuid)
        hypervisor.start(spec.uuid)  # it has started already
        hypervisor.destroy(spec.uuid)
        assert hypervisor.look(spec.uuid).state == Seen.OFF

    def test_reset_shutdown(self, hypervisor: IHypervisor) -> None:
        """The buttons and keys of a running domain can be pressed; after a reset it runs on."""
        spec = self.started(hypervisor)
        hypervisor.press_keys(spec.uuid, CTRL_ALT_DEL)
        hypervisor.reset(spec.uuid)
        assert hypervisor.look(spec.uuid).state == Seen.RUNNING
        hypervisor.shutdown(spec.uuid)

    def test_undefine(self, hypervisor: IHypervisor) -> None:
        """A domain that is off is gone then; repeating changes nothing."""
        spec = self.defined(hypervisor)
        hypervisor.undefine(spec.uuid)
        hypervisor.undefine(spec.uuid)
        assert hypervisor.look(spec.uuid).state == Seen.ABSENT
        hypervisor.define(spec)

    def test_undefine_running(self, hypervisor: IHypervisor) -> None:
        """A running domain goes on without a definition and is gone once destroyed."""
        spec = self.started(hypervisor)
        hypervisor.undefine(spec.uuid)
        seen = hypervisor.look(spec.uuid)
        assert (seen.state, seen.persistent) == (Seen.RUNNING, False)
        assert seen in hypervisor.domains()
        hypervisor.destroy(spec.uuid)
        assert hypervisor.look(spec.uuid).state == Seen.ABSENT

    def test_events(self, hypervisor: IHypervisor) -> None:
        """Each step of a life is told to the latest subscriber."""
        first: list[DomainEvent] = []
        events: list[DomainEvent] = []
        hypervisor.subscribe(first.append, lambda reason: None)
        hypervisor.subscribe(events.append, lambda reason: None)
        spec = self.started(hypervisor)
        hypervisor.pause(spec.uuid)
        hypervisor.resume(spec.uuid)
        hypervisor.destroy(spec.uuid)
        hypervisor.undefine(spec.uuid)

        def words() -> list[str]:
            return [event.event for event in events if event.uuid == spec.uuid]

        assert eventually(lambda: "undefined" in words())
        # QEMU tells more: it resumes while it starts, and is asked to shut down while it is destroyed.
        steps = [word for word in words() if word != "shutdown"]
        if steps[1] == "resumed":
            del steps[1]
        assert steps == ["defined", "started", "suspended", "resumed", "stopped", "undefined"]
        assert all(event.name == spec.name for event in events if event.uuid == spec.uuid)
        assert not first

    def test_threads(self, hypervisor: IHypervisor) -> None:
        """Calls from many threads do not disturb each other."""
        specs = [self.defined(hypervisor) for _ in range(4)]
        errors: list[BaseException] = []

        def live(spec: DomainSpec) -> None:
            try:
                hypervisor.start(spec.uuid)
                hypervisor.domains()
                hypervisor.destroy(spec.uuid)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=live, args=(spec,)) for spec in specs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not errors
        assert {hypervisor.look(spec.uuid).state for spec in specs} == {Seen.OFF}

    def test_close(self, hypervisor: IHypervisor) -> None:
        """Closing is repeatable, and what runs goes on."""
        spec = self.started(hypervisor)
        other = self.make()
        other.hypervisor.look(spec.uuid)
        other.close()
        other.close()
        assert hypervisor.look(spec.uuid).state == Seen.RUNNING
