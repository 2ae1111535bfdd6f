"""What administrators add to definitions: read as XML, refused where it says what calls say, merged as elements."""

# ruff: noqa: E402

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("libvirt")

from cm.drivers.libvirt.domain_xml import domain_xml
from cm.drivers.libvirt.xml_text import parsed
from cm.drivers.raw_data import BYTES_MAX, OUR_DEVICES, OURS, read_raw
from cm.rpc.errors import InvalidParameter
from tests.unit.drivers.test_domain_xml import NODE, spec

WATCHDOG = "<domain><devices><watchdog model='i6300esb' action='reset'/></devices></domain>"


def merged(xml: str) -> Any:
    return parsed(domain_xml(replace(spec(), raw=read_raw(xml).xml), NODE))


def test_merged() -> None:
    """Devices come beside ours, or in place of what there is one of; other elements in place of ours."""
    plain, with_dog = parsed(domain_xml(spec(), NODE)), merged(WATCHDOG)
    assert with_dog.find("devices/watchdog").get("action") == "reset"
    for device in plain.find("devices"):
        assert len(with_dog.findall(f"devices/{device.tag}")) == len(plain.findall(f"devices/{device.tag}"))
    features = merged("<domain><features><acpi/><hyperv><relaxed state='on'/></hyperv></features></domain>")
    assert [each.tag for each in features.find("features")] == ["acpi", "apic", "hyperv"]
    clock = merged("<domain><clock offset='localtime'/></domain>").findall("clock")
    assert [dict(each.attrib) for each in clock] == [{"offset": "localtime"}]
    balloon = merged("<domain><devices><memballoon model='none'/></devices></domain>").findall("devices/memballoon")
    assert [each.get("model") for each in balloon] == ["none"]
    tuned = merged("<domain><cputune><shares>512</shares></cputune></domain>")
    assert tuned.findtext("cputune/shares") == "512" and tuned.findtext("name") == plain.findtext("name")


@pytest.mark.parametrize("tag", sorted(OURS))
def test_ours(tag: str) -> None:
    """What calls say of a VM nobody else says."""
    with pytest.raises(InvalidParameter):
        read_raw(f"<domain><{tag}>x</{tag}></domain>")


@pytest.mark.parametrize("device", sorted(OUR_DEVICES))
def test_our_devices(device: str) -> None:
    """Nor what disks, cards and screens it has."""
    with pytest.raises(InvalidParameter):
        read_raw(f"<domain><devices><{device}/></devices></domain>")


@pytest.mark.parametrize(
    "xml",
    [
        "", "<domain/>", "<domain", "<pool/>", "text", "<domain type='xen'><clock/></domain>",
        "<domain>text<clock/></domain>", "<domain><clock/>text</domain>", "<domain><clock/><clock/></domain>",
        "<!DOCTYPE domain [<!ENTITY e 'x'>]><domain><clock>&e;</clock></domain>",
        "<domain><cpu><numa/></cpu></domain>", "\ud800",
        "<domain><clock offset='" + "x" * BYTES_MAX + "'/></domain>",
    ],
)  # fmt: skip
def test_refused(xml: str) -> None:
    """What is no XML, of another tag, too long, twice there, or in between."""
    with pytest.raises(InvalidParameter):
        read_raw(xml)


@pytest.mark.parametrize(
    ("xml", "what"),
    [
        ("<domain><devices><hostdev mode='subsystem' type='usb'/></devices></domain>", "hostdev"),
        ("<domain xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'><q:commandline/></domain>", "commandline"),
        ("<domain><devices><filesystem/></devices></domain>", "filesystem"),
        ("<domain><devices><rng><backend model='egd'/></rng></devices></domain>", "rng"),
    ],
)
def test_host(xml: str, what: str) -> None:
    """What is the host's is told."""
    assert any(what in each for each in read_raw(xml).host)
    assert read_raw(WATCHDOG).host == ()


@given(st.text(max_size=60))
def test_any_text(text: str) -> None:
    """Whatever it is, it is refused by name or is XML that is read the same again."""
    try:
        found = read_raw(text)
    except InvalidParameter as error:
        assert error.parameter == "raw_data"
    else:
        assert read_raw(found.xml) == found
