"""The whole life of a VM on real hosts with real guests, as a caller sees it."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from ipaddress import IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from cm.rpc.errors import TicketRefused
from cm.rpc.websocket_client import Socket
from cm.runtime.database import Database
from cm.runtime.threads import InlineThreads
from cm.store.creation import Inserted, NicRow
from lab.cloud import Cloud
from lab.federation import Federation
from lab.hints import first_calls, first_commands
from lab.lone_tour import show_vm
from lab.nodes import RealNode
from lab.places import REPOSITORY
from lab.processes import wait_until
from lab.tour import CloudTour
from support.rfb import RFBRefused, RFBViewer
from support.screen import Viewer
from support.several import insert_rows, vm_rows


@pytest.fixture(scope="module")
def demo(start_cloud) -> Iterator[Cloud]:
    """A cloud as bin/demo leaves it to who tries it: the VM with id 1 runs."""
    cloud = start_cloud(durable=False)
    show_vm(cloud)
    yield cloud


def block(page: str, heading: str, language: str, base: Path) -> str:
    """The one block in a language below a heading, as it stands there but for the demo's directory."""
    section = (REPOSITORY / page).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```", section, re.S | re.M)
    assert len(found) == 1
    return found[0].replace(".state/demo", str(base))


CALLS = ("docs/operator.md", "Try it: a VM's life, call by call")


def see_by_cloud(cloud: Federation) -> None:
    """A guest's screen, and its shell by the command line, by way of the cloud: nobody reaches the cluster itself."""
    name = cloud.clusters[0].name
    (vm,) = [each for each in cloud.user.call("user.vm.get_list", {"cluster": name}) if each["name"] == f"first-{name}"]
    about = {"vm_id": vm["vm_id"], "cluster": name}
    attached = cloud.user.call("user.vm.attach_vnc", about)
    cloud.clusters[0].wait_operation(cloud.clusters[0].user, attached["operation_id"])
    ticket = cloud.user.call("user.vm.open_console", {**about, "kind": "vnc"})
    credentials = {"Authorization": f"Bearer {cloud.clm.token(cloud.credentials.user)}"}
    seen = Viewer(f"ws{cloud.clm.url.removeprefix('http')}{ticket['path']}&cluster={name}", headers=credentials)
    assert seen.size[0] > 0
    cloud.user.call("user.vm.detach_vnc", about)
    assert seen.ended() == (4000, "screen_closed")
    seen.close()
    ticket = cloud.user.call("user.vm.open_console", about)
    heard = b""
    with Socket(f"ws{cloud.clm.url.removeprefix('http')}{ticket['path']}&cluster={name}", headers=credentials) as typed:
        for _ in range(30):
            typed.send(b"echo six by seven is $((6*7))\r")
            heard += typed.receive(2)
            if b"six by seven is 42" in heard:
                break
    assert b"six by seven is 42" in heard, heard


def test_readme(start_federation) -> None:
    """The README's commands take a VM of a cloud through its life; what bin/demo prints works, too."""
    if not (Path(sys.prefix) / "bin" / "wawel").exists():
        pytest.skip("this virtual environment lacks the program wawel; bin/bootstrap venv installs it")
    cloud: Federation = start_federation(durable=False)
    tour = CloudTour(cloud)
    tour.begin()
    see_by_cloud(cloud)
    script = "set -e\n" + block("README.md", "The life of a VM", "bash", cloud.base)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=300, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Welcome to web" in done.stdout
    hints = "\n".join(command for command, _ in first_commands(cloud))
    done = subprocess.run(["bash", "-ec", hints], capture_output=True, text=True, timeout=300, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    tour.end()


def test_curl(demo: Cloud) -> None:
    """The calls by curl in docs/operator.md take a VM through its life."""
    script = "set -e\n" + block(*CALLS, "bash", demo.base)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert '"error":' not in re.sub(r'"error":""', "", done.stdout), done.stdout
    assert "made by curl" in done.stdout
    assert "Welcome to web" in done.stdout


def test_xmlrpc(demo: Cloud) -> None:
    """The calls by xmlrpc.client there take a VM through its life; the console shows that user data ran."""
    script = block(*CALLS, "python", demo.base)
    done = subprocess.run([sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "made by Python" in done.stdout
    assert "Welcome to db" in done.stdout


def test_hints(demo: Cloud) -> None:
    """The calls that bin/demo prints do what they say."""
    vm = demo.wait_running(demo.create(name="hinted", image_id=demo.import_blank())["vm_id"], contextualized=False)
    lines = [line.strip() for line in first_calls(demo, vm).splitlines()]
    shell = "\n".join(line for line in lines if line.startswith("call"))
    python = "\n".join(line.removeprefix(">>> ") for line in lines if line.startswith(">>> "))
    for argv in (["bash", "-ec", shell], [sys.executable, "-I", "-c", python]):
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and '"error":{' not in done.stdout, done.stdout + done.stderr
    demo.wait_for(vm["vm_id"], "destroyed")
    others = {vm["name"]: vm["vm_id"] for vm in demo.user.call("user.vm.get_list")}
    assert set(others) == {"first", "second", "third"}
    for name in ("second", "third"):
        destroy(demo, others[name], check=name == "third")


def test_nothing_left(demo: Cloud) -> None:
    """After those calls only the demo's own VM is there; when that is destroyed, nothing is."""
    vm = demo.wait_running(1)
    assert demo.check_leaks(live=[vm["uuid"]]) == []
    demo.user.call("user.vm.destroy", {"vm_ids": [1]})
    demo.wait_for(1, "destroyed")
    assert demo.check_leaks() == []


def live_uuids(cloud: Cloud) -> list[str]:
    return [vm["uuid"] for vm in cloud.user.call("user.vm.get_list")]


def boots(cloud: Cloud, vm: dict[str, Any]) -> int:
    return cloud.console_file(vm).read_text(errors="replace").count("TINY READY")


def test_reset(demo: Cloud) -> None:
    """A reset VM boots again, and its guest says hello again."""
    vm = demo.wait_running(demo.create(name="reset")["vm_id"])
    answer = demo.user.call("user.vm.reset", {"vm_ids": [vm["vm_id"]]})
    assert answer[0]["status"] == "ok"
    wait_until(lambda: boots(demo, vm) == 2, "the second boot", 120)
    assert demo.wait_running(vm["vm_id"])["node"] == vm["node"]
    destroy(demo, vm["vm_id"])


def test_vnc(demo: Cloud) -> None:
    """
    ``attach_vnc`` gives a password that lets a viewer in until ``detach_vnc``, and never again; by a ticket one is let
    in without, through the manager and the node's agent.
    """
    blank = demo.import_blank()
    vm_id = demo.create(name="screen", image_id=blank)["vm_id"]
    demo.wait_running(vm_id, contextualized=False)
    before = demo.vm(vm_id)
    assert before["vnc_endpoint"] is None
    pictures = [demo.user.call("user.vm.get_screenshot", {"vm_id": vm_id})]  # of a screen that is not open
    vnc = demo.user.call("user.vm.attach_vnc", {"vm_id": vm_id})
    demo.wait_operation(demo.user, vnc["operation_id"])
    assert demo.vm(vm_id)["vnc_endpoint"] == f"{vnc['address']}:{vnc['port']}"
    with RFBViewer(vnc["address"], vnc["port"], vnc["password"]) as viewer:
        width, height, _ = viewer.screen()
        pictures.append(demo.user.call("user.vm.get_screenshot", {"vm_id": vm_id}))  # firmware changes modes
        assert (width, height) in [(each["width"], each["height"]) for each in pictures] and min(width, height) > 0
        assert viewer.is_served()
    with pytest.raises(RFBRefused):
        RFBViewer(vnc["address"], vnc["port"], "wrong")
    again = demo.user.call("user.vm.attach_vnc", {"vm_id": vm_id})
    demo.wait_operation(demo.user, again["operation_id"])
    with pytest.raises(RFBRefused):
        RFBViewer(vnc["address"], vnc["port"], vnc["password"])
    RFBViewer(again["address"], again["port"], again["password"]).close()
    seen = Viewer(demo.user.call("user.vm.open_console", {"vm_id": vm_id, "kind": "vnc"})["url"])
    assert min(seen.size) > 0
    seen.socket.send(struct.pack(">BBHHHH", 3, 0, 0, 0, 16, 16))
    assert seen.read(4)[0] == 0  # the beginning of an update
    detached = demo.user.call("user.vm.detach_vnc", {"vm_id": vm_id})
    demo.wait_operation(demo.user, detached["operation_id"])
    assert seen.ended() == (4000, "screen_closed")
    for password in (vnc["password"], again["password"]):
        with pytest.raises((RFBRefused, OSError)):
            RFBViewer(vnc["address"], vnc["port"], password)
    destroy(demo, vm_id)


def test_command_line(demo: Cloud) -> None:
    """QEMU's command line, which every account of a node may read, holds no secret of a VM's."""
    user_data = "#!/bin/sh\n# hidden-user-data"
    told = {"image_id": demo.import_blank(), "user_data": user_data, "vnc": True}
    vm = demo.wait_running(demo.create(name="secretive", **told)["vm_id"], contextualized=False)
    vnc = demo.user.call("user.vm.attach_vnc", {"vm_id": vm["vm_id"]})
    demo.wait_operation(demo.user, vnc["operation_id"])
    node = demo.node_of(vm)
    assert isinstance(node, RealNode)
    lines = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() for pid in node.host.pids()]
    (line,) = [line for line in lines if vm["uuid"] in line and "qemu-system" in line]
    seeds = re.findall(r"serial=(\S+)", line)
    assert seeds == [f"ds=nocloud-net;s=http://169.254.169.254/nocloud/{vm['uuid']}/"]
    assert vnc["password"] not in line and "hidden-user-data" not in line
    assert demo.sql(f"SELECT secret FROM vm WHERE id = {vm['vm_id']}") in ([[""]], [])
    destroy(demo, vm["vm_id"])


def test_rules_for_guests(demo: Cloud) -> None:
    """Each node keeps guests from the hosts' network and counts who calls its screens, as its manager told it."""
    (bridge,) = [network["bridge"] for network in demo.admin.call("admin.network.get_list")]
    for node in demo.nodes:
        assert isinstance(node, RealNode)
        table = node.host.run(["nft", "--stateless", "--terse", "list", "table", "inet", "wawel"]).stdout
        assert table.count(f'iifname "{bridge}" goto') == 2
        assert demo.guest_network in table and str(IPv4Interface(f"{node.address}/24").network) in table
        assert 'iifname != "lo" tcp dport 5900-6899 ct state new update @vnc_callers' in table


def test_console_spoken_to(demo: Cloud) -> None:
    """A guest's shell obeys what is typed at its serial console, by a ticket that is good once, for whom may."""
    vm = demo.wait_running(demo.create(name="typed")["vm_id"], contextualized=False)
    demo.wait_for_console(vm, "TINY READY")
    ticket = demo.user.call("user.vm.open_console", {"vm_id": vm["vm_id"]})
    assert ticket["url"] == demo.url.replace("http", "ws") + ticket["path"]
    heard = b""
    with Socket(ticket["url"]) as typed:
        for _ in range(30):  # the shell may not be there yet
            typed.send(b"echo six by seven is $((6*7))\r")
            heard += typed.receive(2)
            if b"six by seven is 42" in heard:
                break
        assert b"six by seven is 42" in heard, heard
        with Socket(demo.user.call("user.vm.open_console", {"vm_id": vm["vm_id"]})["url"]) as second:
            while second.receive(20):
                pass
            assert second.reason.startswith("console_in_use")
        with pytest.raises(TicketRefused):
            Socket(ticket["url"])
        destroy(demo, vm["vm_id"])
        while typed.receive(20):
            pass
        assert typed.code == 1000


def test_measured(demo: Cloud) -> None:
    """What libvirt counts of a real guest and its node is there as series, with a load of the agent's."""

    def told() -> dict[tuple[str, str], Any]:
        (found,) = demo.user.call("user.vm.statistics", {"vm_ids": [1], "devices": True, "metrics": MEASURED})
        return {(each["metric"], each["device"]): each for each in found["series"] if each["mean"] is not None}

    wanted = {(metric, "") for metric in MEASURED} - {("vcpu", "")}
    wanted |= {("vcpu", "0"), ("read_bytes", "vda"), ("write_bytes", "vda"), ("rx_bytes", "0"), ("tx_bytes", "0")}
    wait_until(lambda: wanted <= told().keys(), "two samples of a guest", 60, pause=1)
    found = told()
    assert 0 < found["cpu", ""]["maximum"] <= 400  # of one CPU; emulation has threads of its own
    assert 2**20 < found["memory_rss", ""]["mean"] and 2**20 < found["memory", ""]["mean"]
    node_id = demo.nodes[0].node_id
    (node,) = demo.admin.call("admin.node.statistics", {"node_ids": [node_id], "metrics": ["cpu", "memory_used"]})
    assert all(each["maximum"] > 0 for each in node["series"]) and len(node["series"]) == 2
    load = demo.admin.call("admin.node.get_by_id", {"node_id": node_id})["report"]["load"]
    assert len(load) == 3 and min(load) >= 0


MEASURED = ["cpu", "vcpu", "memory", "memory_rss", "read_bytes", "write_bytes", "rx_bytes", "tx_bytes"]


def test_console_bound(demo: Cloud) -> None:
    """A console's log that grew too large loses its older part, while its VM goes on writing to it."""
    vm = demo.wait_running(demo.create(name="talkative", image_id=demo.import_blank())["vm_id"], contextualized=False)
    log = demo.console_file(vm)
    node = demo.node_of(vm)
    assert isinstance(node, RealNode) and log.parent == node.console_dir
    assert not list(demo.storage_dir.glob("*-console.log*"))
    flags = [
        int(re.findall(r"flags:\s+(\d+)", (link.parents[1] / "fdinfo" / link.name).read_text())[0], 8)
        for pid in node.host.pids() for link in Path(f"/proc/{pid}/fd").glob("*")
        if link.exists() and link.samefile(log)
    ]  # fmt: skip
    assert flags and all(each & os.O_APPEND for each in flags)  # else it would write on at its old place
    with log.open("ab") as file:
        file.write(b"old" * (1 << 20))
        file.write(b"the end")
    wait_until(lambda: log.stat().st_size <= 1 << 20, "the node's agent", 60)
    assert demo.console(vm["vm_id"]).endswith("the end")
    assert log.stat().st_size >= 1 << 19
    destroy(demo, vm["vm_id"])
    assert not log.exists()


def test_other_node(demo: Cloud) -> None:
    """A stopped VM keeps its disk and address, and starts on another node when its own is locked."""
    blank = demo.import_blank()
    vm = demo.wait_running(demo.create(name="moving", image_id=blank)["vm_id"], contextualized=False)
    demo.user.call("user.vm.stop", {"vm_id": vm["vm_id"]})
    stopped = demo.wait_for(vm["vm_id"], "stopped")
    assert stopped["leases"] == vm["leases"]
    first = demo.node_of(vm)
    demo.admin.call("admin.node.lock", {"node_id": first.node_id})
    try:
        demo.user.call("user.vm.start", {"vm_id": vm["vm_id"]})
        moved = demo.wait_running(vm["vm_id"], contextualized=False)
    finally:
        demo.admin.call("admin.node.unlock", {"node_id": first.node_id})
    assert demo.node_of(moved) is not first
    assert moved["leases"] == vm["leases"]
    destroy(demo, vm["vm_id"])


def test_two_nics(demo: Cloud) -> None:
    """A VM with a NIC on each of two networks gets both addresses, and its node's rules let both NICs send."""
    second = demo.admin.call("admin.network.add", {"name": "second", "network": "10.201.0.0/29"})["pool_id"]
    [[first]] = demo.sql("SELECT min(id) FROM network WHERE deleted_at IS NULL")
    told = "#!/bin/sh\nip link set eth1 up\nudhcpc -i eth1 -n -q -f -t 20 -T 1 -s /bin/true; echo DHCP of eth1: $?\n"
    made = insert(demo, (NicRow("virtio", int(first)), NicRow("virtio", second)), told)
    vm = demo.wait_running(made.vm_id)
    assert [lease["address"] for lease in vm["leases"]] == [str(address) for address in made.addresses]
    demo.wait_for_console(vm, "DHCP of eth1: 0")
    node = demo.node_of(vm)
    assert isinstance(node, RealNode)
    connection = node.open()
    try:
        xml = connection.lookupByUUIDString(vm["uuid"]).XMLDesc()
    finally:
        connection.close()
    rules = node.host.run(["nft", "list", "table", "bridge", "wawel"]).stdout
    for mac, tap in demo.sql(f"SELECT mac, tap FROM nic WHERE vm_id = {made.vm_id}"):
        assert mac in xml and tap in xml and f'"{tap}" . {mac}' in rules
    destroy(demo, made.vm_id)
    assert demo.sql("SELECT count(*) FROM nic WHERE vm_id = " + str(made.vm_id)) == [["0"]]
    demo.admin.call("admin.network.delete", {"pool_id": second})


def insert(cloud: Cloud, nics: tuple[NicRow, ...], user_data: str) -> Inserted:
    """A VM with several NICs."""
    [[storage, size]] = cloud.sql(
        "SELECT u.storage_id, u.size_bytes FROM image i JOIN volume u ON u.id = i.volume_id"
        f" WHERE i.id = {cloud.image_id}"
    )
    wanted = vm_rows(
        *nics, account_id=cloud.user_id, image_id=cloud.image_id, template_id=cloud.template_ids["tiny"],
        storage_id=int(storage), node_id=cloud.nodes[0].node_id, size_bytes=int(size), user_data=user_data,
    )  # fmt: skip
    database = Database(cloud.postgres.url(cloud.database), InlineThreads())
    try:
        return insert_rows(database, wanted)
    finally:
        database.close()


def test_saved_image(demo: Cloud) -> None:
    """``save_and_shutdown`` makes an image of what the guest wrote, and a new VM boots from it."""
    # The tiny guest's system lies in memory; what it writes to its disk's end shows whether the image is of this disk.
    last = "$(($(cat /sys/block/vda/size) - 1))"
    mark = f"#!/bin/sh\necho saved-by-wawel | dd of=/dev/vda bs=512 seek={last} conv=notrunc\nsync\n"
    vm_id = demo.wait_running(demo.create(name="origin", user_data=mark)["vm_id"])["vm_id"]
    answer = demo.user.call("user.vm.save_and_shutdown", {"vm_id": vm_id, "name": "kept", "description": "of origin"})
    demo.wait_for(vm_id, "destroyed", 120)
    assert demo.check_leaks(live_uuids(demo)) == []
    read = "#!/bin/sh\ntail -c 512 /dev/vda | head -c 14; echo\n"
    vm = demo.wait_running(demo.create(name="copy", image_id=answer["image_id"], user_data=read)["vm_id"])
    assert "saved-by-wawel" in demo.console(vm["vm_id"])
    destroy(demo, vm["vm_id"])


def destroy(cloud: Cloud, vm_id: int, check: bool = True) -> None:
    """Destroy a VM, and find nothing of it left."""
    assert cloud.user.call("user.vm.destroy", {"vm_ids": [vm_id]})[0]["status"] == "ok"
    cloud.wait_for(vm_id, "destroyed")
    if check:
        assert cloud.check_leaks(live_uuids(cloud)) == []
