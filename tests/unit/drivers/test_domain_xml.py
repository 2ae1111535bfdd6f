"""A domain's definition as XML: what it says, and that no text can change its shape."""

# What is tested imports libvirt; without it all of this is skipped, which has to be said before.
# ruff: noqa: E402

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("libvirt")

from cm.drivers.libvirt.cpu import cpu_of, host_cpu, offers
from cm.drivers.libvirt.domain_read import described_domain
from cm.drivers.libvirt.domain_xml import NAMESPACE, changed_graphics, domain_xml
from cm.drivers.libvirt.pool_kind import pool_kind
from cm.drivers.libvirt.pool_xml import network_xml, pool_place, pool_xml, same_pool, volume_xml
from cm.drivers.libvirt.xml_text import free_text, parsed
from cm.interfaces.hypervisor import DiskSpec, DomainSpec, NicSpec, NodeInfo, VncSpec
from cm.interfaces.network import NetworkSpec
from cm.interfaces.source import BlockSource, DiskSource, FileSource, NetworkSource
from cm.interfaces.volume import StorageSpec
from cm.rpc.errors import InvalidParameter, NotSupported
from cm.rpc.vocabulary import DiskBus, DiskFormat, Firmware, MachineType, NicModel, StorageKind
from cm.rules.machine import Cpu
from tests.contract.hypervisor import domain_spec
from tests.contract.networks import network_spec

NODE = NodeInfo("n", "QEMU", "7.2", "9.0", "cpu", 4, 4096, ("kvm", "qemu"), "x86_64", True)
TCG = replace(NODE, domain_types=("qemu",))

# Anything XML can carry, and anything it cannot.
fit = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff\u2028\u2029"), min_size=1,
    max_size=8
)
anything = st.text(st.characters(), max_size=40)


def test_tuning() -> None:
    """A VM's weight is among the domains of its node; without one nothing is said."""
    made = parsed(domain_xml(replace(domain_spec(), cpu_shares=2048), NODE))
    assert made.findtext("cputune/shares") == "2048"
    assert parsed(domain_xml(domain_spec(), NODE)).find("cputune") is None


def spec(text: str = "x", title: str = "x") -> DomainSpec:
    return DomainSpec(
        name=text,
        uuid=text,
        title=title,
        vcpus=2,
        memory_mib=512,
        disks=(
            DiskSpec(FileSource(text), DiskFormat.QCOW2, text),
            DiskSpec(FileSource(text), DiskFormat.RAW, text, DiskBus.SCSI),
            DiskSpec(FileSource(text), DiskFormat.RAW, text, DiskBus.SATA, cdrom=True),
        ),
        nics=(NicSpec(text, text, text),),
        vnc=VncSpec(text, 5900, text, True),
        console_log=text,
        smbios_serial=text,
    )


def shape(xml: str) -> list[Any]:
    """Tags and names of attributes, in order, without their texts."""
    return [(node.tag, sorted(node.attrib)) for node in parsed(xml).iter()]


@given(fit, anything)
def test_shape(text: str, title: str) -> None:
    """Whatever the free fields hold, the tree is that of plain letters, and the texts arrive."""
    made = domain_xml(spec(text, title), NODE)
    assert shape(made) == shape(domain_xml(spec(), NODE))
    root = parsed(made)
    assert root.findtext("name") == text
    assert (root.findtext("title") or "") == free_text(title)
    assert root.find("devices/disk/source").get("file") == text
    assert root.findtext("sysinfo/system/entry") == text


@given(fit, fit)
def test_shape_of_others(text: str, other: str) -> None:
    """The same of pools, volumes and networks."""
    storage = StorageSpec(text, StorageKind.NETFS, other, text, other)
    assert shape(pool_xml(storage)) == shape(pool_xml(StorageSpec("x", StorageKind.NETFS, "x", "x", "x")))
    assert same_pool(pool_xml(storage), storage)
    group = StorageSpec(text, StorageKind.LOGICAL, other, source=text, devices=(other, text))
    assert shape(pool_xml(group)) == shape(pool_xml(replace(group, name="x", path="x", source="x", devices=("y", "z"))))
    assert same_pool(pool_xml(group), group)
    mounted = replace(storage, nfs_version="4.2", mount_options=(other,))
    plain = StorageSpec("x", StorageKind.NETFS, "x", "x", "x", nfs_version="3", mount_options=("x",))
    assert shape(pool_xml(mounted)) == shape(pool_xml(plain))
    assert same_pool(pool_xml(mounted), mounted) and not same_pool(pool_xml(mounted), storage)
    volume = volume_xml(text, DiskFormat.QCOW2, 1, base=(other, DiskFormat.RAW))
    assert shape(volume) == shape(volume_xml("x", DiskFormat.QCOW2, 1, base=("x", DiskFormat.RAW)))
    network = network_spec()
    made = network_xml(replace(network, name=text, bridge=other), "u")
    assert shape(made) == shape(network_xml(network, "u"))


@pytest.mark.parametrize("character", ["\0", "\n", "\x1b", "\x7f", "\ud800", "\uffff"])
@pytest.mark.parametrize("field", ["name", "console_log", "smbios_serial"])
def test_control_characters(character: str, field: str) -> None:
    """Names and paths with control characters are refused; a title loses them."""
    with pytest.raises(InvalidParameter):
        domain_xml(replace(spec(), **{field: f"a{character}b"}), NODE)
    assert parsed(domain_xml(spec(title=f"a{character}b"), NODE)).findtext("title") in ("ab", "a b")


def test_kvm_and_tcg() -> None:
    """KVM gets the host's CPU, emulation QEMU's own; both the q35 machine, except with IDE disks."""
    kvm, tcg = parsed(domain_xml(spec(), NODE)), parsed(domain_xml(spec(), TCG))
    assert (kvm.get("type"), kvm.find("cpu").get("mode")) == ("kvm", "host-passthrough")
    assert (tcg.get("type"), tcg.find("cpu")) == ("qemu", None)
    assert kvm.find("os/type").get("machine") == "q35"
    ide = replace(spec(), disks=(DiskSpec(FileSource("/a"), DiskFormat.RAW, "hda", DiskBus.IDE),))
    assert parsed(domain_xml(ide, NODE)).find("os/type").get("machine") == "pc"


def test_machine() -> None:
    """UEFI by the node's choice of its program, without secure boot, with variables of its own; boot menu; chipset."""
    uefi = replace(spec(), firmware=Firmware.UEFI, nvram="/a/nvram/x.fd", machine=MachineType.PC, boot_menu_s=3)
    root = parsed(domain_xml(uefi, NODE))
    assert root.find("os").get("firmware") == "efi" and root.findtext("os/nvram") == "/a/nvram/x.fd"
    assert {each.get("name"): each.get("enabled") for each in root.findall("os/firmware/feature")} == {
        "enrolled-keys": "no", "secure-boot": "no",
    }  # fmt: skip
    assert dict(root.find("os/bootmenu").attrib) == {"enable": "yes", "timeout": "3000"}
    assert root.find("os/type").get("machine") == "pc"
    told = described_domain(domain_xml(uefi, NODE))
    assert (told.firmware, told.nvram) == (Firmware.UEFI, "/a/nvram/x.fd")
    plain = parsed(domain_xml(spec(), NODE))
    assert plain.find("os").get("firmware") is None and plain.find("os/bootmenu") is None
    assert described_domain(domain_xml(spec(), NODE)).firmware is Firmware.BIOS
    with pytest.raises(InvalidParameter):
        domain_xml(replace(uefi, nvram="/a/b\n"), NODE)


def test_cpu() -> None:
    """A CPU that was found out is written out whole, and read back; what libvirt does not know is told."""
    cpu = Cpu("EPYC", "AMD", (("erms", True), ("rdseed", False)))
    for node in (NODE, TCG):
        found = parsed(domain_xml(replace(spec(), cpu=cpu), node)).find("cpu")
        assert dict(found.attrib) == {"mode": "custom", "match": "exact", "check": "partial"}
        assert cpu_of(found) == cpu
    firmware = "<os><enum name='firmware'><value>efi</value></enum></os>"
    modes = f"<domainCapabilities><arch>x86_64</arch>{firmware}<cpu>{{}}</cpu>"
    known = "<mode name='host-model' supported='yes'><model>EPYC</model><feature policy='require' name='x'/></mode>"
    read = parsed(modes.format(known) + "</domainCapabilities>")
    assert cpu_of(parsed(host_cpu(read))) == Cpu("EPYC", "", (("x", True),))
    with pytest.raises(NotSupported):
        host_cpu(parsed(modes.format("<mode name='host-model' supported='no'/>") + "</domainCapabilities>"))
    machines = "<machine>pc</machine><machine>pc-q35-7.2</machine><machine canonical='x'>q35</machine>"
    of_host = parsed(f"<capabilities><guest><arch name='x86_64'>{machines}</arch></guest></capabilities>")
    assert offers(of_host, read) == ("pc", "q35", "uefi", "x86_64")


def test_prepared() -> None:
    """A domain that may become larger has room for CPUs and modules, and a cell that memory comes to."""
    grows = replace(spec(), max_vcpus=6, max_memory_mib=1024)
    for node, mode in ((NODE, "host-passthrough"), (TCG, None)):
        root = parsed(domain_xml(grows, node))
        assert (root.findtext("vcpu"), root.find("vcpu").get("current")) == ("6", "2")
        assert (root.findtext("maxMemory"), root.find("maxMemory").get("slots")) == ("1024", "16")
        assert root.findtext("memory") == "512" and root.find("cpu").get("mode") == mode
        cell = root.find("cpu/numa/cell")
        assert (cell.get("cpus"), cell.get("memory"), cell.get("unit")) == ("0-5", "512", "MiB")
    told = described_domain(domain_xml(grows, NODE))
    assert (told.vcpus, told.memory_mib) == (2, 512)
    only = parsed(domain_xml(replace(spec(), max_vcpus=3), TCG))
    assert only.find("cpu") is None and only.find("maxMemory") is None and only.findtext("vcpu") == "3"


def test_disks() -> None:
    """The format is written out, a raw disk's chain ends, and read-only ones are not cached or trimmed."""
    qcow2, raw, cdrom = parsed(domain_xml(spec(), NODE, disk_cache="writeback")).findall("devices/disk")
    assert dict(qcow2.find("driver").attrib) == {
        "name": "qemu", "type": "qcow2", "cache": "writeback", "discard": "unmap",
    }  # fmt: skip
    assert qcow2.find("backingStore") is None and raw.find("backingStore") is not None
    assert cdrom.get("device") == "cdrom" and cdrom.find("readonly") is not None
    assert dict(cdrom.find("driver").attrib) == {"name": "qemu", "type": "raw"}


def test_vnc() -> None:
    """A disabled console is written as expired; changing one keeps all else of it."""
    off = replace(spec(), vnc=VncSpec("127.0.0.1", 5901, "secret"))
    xml = domain_xml(off, NODE)
    graphics = parsed(xml).find("devices/graphics")
    assert graphics.get("passwdValidTo") == "2000-01-01T00:00:00" and graphics.get("passwd") == "secret"
    changed = parsed(changed_graphics(xml, VncSpec("ignored", 1, "new", True)) or "")
    assert changed.get("passwdValidTo") is None and changed.get("passwd") == "new"
    assert changed.get("port") == "5901" and changed.find("listen").get("address") == "127.0.0.1"
    assert changed_graphics(domain_xml(replace(off, vnc=None), NODE), off.vnc or VncSpec("", 0, "")) is None


@pytest.mark.parametrize("password", ["", "ninechars"])
def test_vnc_password(password: str) -> None:
    """VNC takes 1 to 8 characters."""
    with pytest.raises(InvalidParameter):
        domain_xml(replace(spec(), vnc=VncSpec("127.0.0.1", 5901, password)), NODE)


def test_ours() -> None:
    """A domain of ours is marked as such."""
    assert parsed(domain_xml(spec(), NODE)).find(f"metadata/{{{NAMESPACE}}}domain") is not None


def test_network() -> None:
    """Every address but the gateway's has a fixed lease, and there is no dynamic range."""
    network = network_spec()
    root = parsed(network_xml(network, "u"))
    hosts = root.findall("ip/dhcp/host")
    assert len(hosts) == int(network.last) - int(network.first) + 1
    assert root.find("ip/dhcp/range") is None
    around = replace(network, first=network.pool[1])
    assert len(parsed(network_xml(around, "u")).findall("ip/dhcp/host")) == len(hosts)
    with pytest.raises(InvalidParameter):
        network_xml(replace(network, first=network.last, last=network.first), "u")


sources = st.one_of(
    st.builds(FileSource, fit),
    st.builds(BlockSource, fit),
    st.builds(
        NetworkSource,
        st.sampled_from(["rbd", "gluster"]),
        fit,
        st.lists(st.tuples(fit, st.none() | st.integers(1, 65_535)), max_size=3).map(tuple),
    ),
)


@given(sources)
def test_sources(source: DiskSource) -> None:
    """Wherever a disk is, its definition says it, and is read back as the same."""
    made = domain_xml(replace(spec(), disks=(DiskSpec(source, DiskFormat.RAW, "vda"),)), NODE)
    (disk,) = described_domain(made).disks
    assert disk.source == source
    assert disk.path == ("" if isinstance(source, NetworkSource) else source.path)


RBD = """<pool type="rbd"><name>a</name><source><host name="mon1" port="6789"/><host name="mon2"/><name>vms</name>
<auth type="ceph" username="x"><secret uuid="s"/></auth></source></pool>"""
LOGICAL = """<pool type="logical"><name>a</name><source><name>vg</name></source><target><path>/dev/vg</path></target>
</pool>"""


@pytest.mark.parametrize(
    ("xml", "source"),
    [
        (pool_xml(StorageSpec("a", StorageKind.DIR, "/srv/a")), FileSource("/srv/a/v")),
        (pool_xml(StorageSpec("a", StorageKind.NETFS, "/mnt/a/", "filer", "/export")), FileSource("/mnt/a/v")),
        (LOGICAL, BlockSource("/dev/vg/v")),
        (RBD, NetworkSource("rbd", "vms/v", (("mon1", 6789), ("mon2", None)))),
    ],
)
def test_places(xml: str, source: DiskSource) -> None:
    """Where a pool's volumes are follows from what libvirt says of the pool."""
    assert pool_place(xml).source("v") == source


def test_link() -> None:
    """A NIC on a network of the agents' is on its bridge, where guests reach each other, with the network's MTU."""
    nic = NicSpec("", "02:58:00:00:00:07", "wvn00000007", NicModel.E1000, bridge="wn7", mtu=1450)
    [made] = parsed(domain_xml(replace(spec(), nics=(nic,)), NODE)).findall("devices/interface")
    assert made.get("type") == "bridge" and made.find("port") is None
    told = {child.tag: dict(child.attrib) for child in made}
    assert told == {
        "mac": {"address": nic.mac}, "source": {"bridge": "wn7"}, "target": {"dev": nic.tap},
        "model": {"type": "e1000"}, "mtu": {"size": "1450"}, "rom": {"enabled": "no"},
    }  # fmt: skip
    [other] = parsed(domain_xml(spec(), NODE)).findall("devices/interface")
    assert other.get("type") == "network" and other.find("port") is not None and other.find("mtu") is None


def test_network_of_ipv6() -> None:
    """A network of IPv6 is refused, rather than given a table of addresses that are none."""
    pool = ip_network("fd00::/120")
    network = NetworkSpec("six", "six", pool, pool[1], pool[2], pool[-2])
    with pytest.raises(InvalidParameter, match="IPv6"):
        network_xml(network, "u")


def test_boot_order() -> None:
    """As soon as a disk says its own, all have one: those that say it first, then disks, then drives; else by class."""
    disks = tuple(
        DiskSpec(FileSource("/srv/x"), DiskFormat.RAW, device, cdrom=device[0] == "s", boot_order=order)
        for device, order in (("sdw", None), ("vda", 2), ("vdb", None), ("sdx", 1))
    )
    root = parsed(domain_xml(replace(spec(), disks=disks), NODE))
    orders = {d.find("target").get("dev"): d.find("boot").get("order") for d in root.findall("devices/disk")}
    assert orders == {"sdx": "1", "vda": "2", "vdb": "3", "sdw": "4"}
    assert root.find("os/boot") is None
    silent = tuple(replace(disk, boot_order=None) for disk in disks)
    root = parsed(domain_xml(replace(spec(), disks=silent), NODE))
    assert [boot.get("dev") for boot in root.findall("os/boot")] == ["hd", "cdrom"]
    assert root.find("devices/disk/boot") is None


def test_room_for_more() -> None:
    """Of q35's ports some are left over when all devices have taken one; the older machine needs none."""
    def ports(bus: DiskBus) -> int:
        disk = DiskSpec(FileSource("/srv/x"), DiskFormat.RAW, "vda", bus)
        root = parsed(domain_xml(replace(spec(), disks=(disk,)), NODE))
        return len(root.findall("devices/controller[@model='pcie-root-port']"))

    assert ports(DiskBus.VIRTIO) > 6 and ports(DiskBus.IDE) == 0


def test_empty_drive() -> None:
    """A drive without a medium has no place, and nothing that it would stand on."""
    drive = DiskSpec(None, DiskFormat.RAW, "sdw", DiskBus.SATA, cdrom=True)
    root = parsed(domain_xml(replace(spec(), disks=(drive,)), NODE))
    (disk,) = root.findall("devices/disk")
    assert disk.find("source") is None and disk.find("backingStore") is None and disk.get("device") == "cdrom"


def test_volumes_of_groups() -> None:
    """A volume of a group takes its whole size at once, of whole extents, and is never of another format than raw."""
    made = parsed(volume_xml("v", DiskFormat.RAW, 5 * 2**20, kind=pool_kind("logical")))
    assert made.get("type") == "block" and made.find("target") is None
    assert {made.findtext("capacity"), made.findtext("allocation")} == {str(8 * 2**20)}
    assert parsed(volume_xml("v.part", DiskFormat.RAW, 0, kind=pool_kind("logical"))).findtext("capacity") == "4194304"
    with pytest.raises(NotSupported):
        volume_xml("v", DiskFormat.QCOW2, 5 * 2**20, kind=pool_kind("logical"))


def test_mount() -> None:
    """Version and options of a mount are libvirt's own elements, which mount(8) gets one by one."""
    spec = StorageSpec("a", StorageKind.NETFS, "/mnt/a", "filer", "/x", (), "4.2", ("nconnect=4", "noatime"))
    root = parsed(pool_xml(spec))
    assert root.find("source/protocol").get("ver") == "4.2" and root.find("source/format").get("type") == "nfs"
    fs = "{http://libvirt.org/schemas/storagepool/fs/1.0}"
    assert [each.get("name") for each in root.iterfind(f"{fs}mount_opts/{fs}option")] == ["nconnect=4", "noatime"]


def test_remote_disks_stop() -> None:
    """A guest whose disk is on a server is stopped by an error there; others are told of it."""
    for remote, policy in ((True, "stop"), (False, None)):
        disk = DiskSpec(FileSource("/mnt/a"), DiskFormat.QCOW2, "vda", remote=remote)
        driver = parsed(domain_xml(domain_spec(disks=(disk,)), NODE)).find("devices/disk/driver")
        assert (driver.get("error_policy"), driver.get("rerror_policy")) == (policy, policy)
