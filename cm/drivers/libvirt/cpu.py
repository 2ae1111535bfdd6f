"""What libvirt tells of machines and CPUs that a node can give its guests (https://libvirt.org/formatdomaincaps.html)."""

from __future__ import annotations

from typing import Final

from cm.drivers.libvirt.xml_text import Element, element, serialized
from cm.rpc.errors import NotSupported
from cm.rpc.vocabulary import MachineType
from cm.rules.machine import UEFI, Cpu

_ABSENT: Final = ("disable", "forbid")


def offers(capabilities: Element, domain: Element) -> tuple[str, ...]:
    """
    The words of ``cm/rules/machine.py`` that are true of a node of QEMU's.

    :param capabilities: the connection's; ``domain``: those of domains.
    """
    arch = domain.findtext("arch") or ""
    machines = {each.text for each in capabilities.findall(f"guest/arch[@name='{arch}']/machine")}
    found = {arch, *(str(kind) for kind in (MachineType.Q35, MachineType.PC) if kind in machines)}
    if any(value.text == "efi" for value in domain.findall("os/enum[@name='firmware']/value")):
        found.add(UEFI)
    return tuple(sorted(found - {""}))


def host_cpu(domain: Element) -> str:
    """
    As ``virConnectBaselineHypervisorCPU`` takes it.
    :raises NotSupported: libvirt does not know this machine's CPU.
    """
    mode = domain.find("cpu/mode[@name='host-model']")
    if mode is None or mode.get("supported") != "yes" or mode.find("model") is None:
        raise NotSupported("tell its CPU")
    return serialized(_element(cpu_of(mode)))


def cpu_of(told: Element) -> Cpu:
    """What a ``<cpu>``, or a mode of one, says of its model."""
    features = tuple(
        (each.get("name", ""), each.get("policy", "require") not in _ABSENT) for each in told.findall("feature")
    )
    return Cpu(told.findtext("model") or "", told.findtext("vendor") or "", features)


def _element(cpu: Cpu, **attributes: str) -> Element:
    return element(
        "cpu",
        element("model", text=cpu.model, fallback="forbid"),
        element("vendor", text=cpu.vendor) if cpu.vendor else None,
        *(element("feature", policy="require" if has else "disable", name=name) for name, has in cpu.features),
        **attributes,
    )


def cpu_element(cpu: Cpu) -> Element:
    """
    Of a domain. Partly checked: what QEMU cannot give of it at a start makes that fail, and what a guest has that it
    was not told of is written into the running domain, so that a migration gives exactly that.
    """
    return _element(cpu, mode="custom", match="exact", check="partial")
