"""What a VM's machine asks of its node, and who says what it is."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cm.rpc.vocabulary import Architecture, CpuModel, DiskBus, Firmware, MachineType
from cm.rules.machine import UEFI, Machine, MachineChange, asks, chipset, lacking

WORDS = ("aarch64", "x86_64", "pc", "q35", "uefi")
changes = st.builds(
    MachineChange,
    st.none() | st.sampled_from(Firmware),
    st.none() | st.sampled_from(MachineType),
    st.none() | st.integers(0, 60),
    st.none() | st.sampled_from(CpuModel),
)
machines = st.builds(
    Machine, st.sampled_from(Firmware), st.sampled_from(MachineType), st.integers(0, 60), st.sampled_from(CpuModel)
)


@given(machines, st.sampled_from(["", *Architecture]), st.frozensets(st.sampled_from(WORDS)))
def test_lacking(machine: Machine, architecture: str, offers: frozenset[str]) -> None:
    """A node that offers all of it takes it; one lacks nothing that was not asked for; unknown ones have no UEFI."""
    asked = asks(machine.firmware, machine.machine, architecture)
    assert asked <= {UEFI, MachineType.Q35, MachineType.PC, *Architecture}
    assert (UEFI in asked) == (machine.firmware is Firmware.UEFI)
    found = lacking(asked, offers)
    assert found <= asked and not found & offers
    assert not lacking(asked, asked or frozenset({"pc"}))
    if not offers:
        assert (UEFI in found) == (UEFI in asked) and not found & {MachineType.Q35, MachineType.PC}


@given(machines, changes, changes)
def test_who_says(machine: Machine, asked: MachineChange, template: MachineChange) -> None:
    """The caller's word counts, else the template's, else what was there."""
    found = vars(machine.changed(asked.over(vars(template))))
    for name, value in found.items():
        said = [each for each in (getattr(asked, name), getattr(template, name)) if each is not None]
        assert value == (said[0] if said else getattr(machine, name))
    assert bool(asked) == any(value is not None for value in vars(asked).values())


@given(st.sampled_from(MachineType), st.frozensets(st.sampled_from(DiskBus)))
def test_chipset(machine: MachineType, buses: frozenset[str]) -> None:
    """What was asked for; by itself the older one for IDE alone."""
    by_itself = MachineType.PC if DiskBus.IDE in buses else MachineType.Q35
    assert chipset(machine, buses) == (by_itself if machine is MachineType.AUTO else machine)
