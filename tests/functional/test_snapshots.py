"""Snapshots on real hosts: a guest writes, and what it wrote is there again, merged or taken back to."""

from __future__ import annotations

import itertools
import time
from typing import Any

from cm.rpc.client import RpcClient
from cm.rpc.websocket_client import Socket
from lab.cloud import Cloud

PATIENCE_S = 120  # with a guest that is one of several on a loaded machine
BEYOND = 2048 * 80  # sectors: behind what the image brought, where no file system is


_numbers = itertools.count()  # of commands, whichever guest has them: what one printed lies there by its number


class Shell:
    """A guest's shell, spoken to by its serial console."""

    def __init__(self, cloud: Cloud, vm: dict[str, Any], owner: RpcClient | None = None) -> None:
        cloud.wait_for_console(vm, "TINY READY")
        asked = {"vm_id": vm["vm_id"], "force": True}
        self._socket = Socket((owner or cloud.user).call("user.vm.open_console", asked)["url"])

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def run(self, command: str) -> str:
        """
        What a command printed, typed again until the shell is there, and done once: a guest that is slow to answer
        has been typed the next time already, and would do it when the test has long gone on.
        """
        heard, until = b"", time.monotonic() + PATIENCE_S
        mark = f"mark{next(_numbers)}"
        kept = f"/tmp/{mark}"
        for pause_s in itertools.count(8, 8):  # what is typed to a guest that is behind is more for it to do
            # The blank: what begins with a parenthesis would be reckoned.
            self._socket.send(f"echo {mark}'<'$(cat {kept} 2>/dev/null || ( {command}) | tee {kept})'>'\r".encode())
            for _ in range(pause_s):
                heard += self._socket.receive(1)
                for told in heard.split(f"{mark}<".encode())[1:]:
                    # A guest that lost the first letters complains of a word that begins like this; of what it says
                    # in earnest echo makes one line.
                    answer, end, _ = told.partition(b">")
                    if end and b"\n" not in answer:
                        return answer.decode()
            assert time.monotonic() < until, heard

    def write(self, disk: str, letter: str, sector: int) -> None:
        # Where there is no such disk yet, dd would make a file of that name, and the disk could not be named so later.
        made = f"echo {letter} | dd of=/dev/{disk} seek={sector} conv=fsync 2>/dev/null"
        self._until(f"[ -b /dev/{disk} ] && {made} && echo written")

    def read(self, disk: str, sector: int) -> str:
        read = f"dd if=/dev/{disk} of=/tmp/read skip={sector} count=1 iflag=direct 2>/dev/null"
        return self._until(f"{read} && echo read $(head -n 1 /tmp/read)").removeprefix("read").strip()

    def _until(self, command: str) -> str:
        """
        What a command printed, which does so once it has done all. A disk that has just come is named before it can be
        opened: who looks once takes nothing for what was written.
        """
        until = time.monotonic() + 60
        while not (told := self.run(command)):
            assert time.monotonic() < until, f"in vain: {command}"
        return told


def work(cloud: Cloud, method: str, **params: Any) -> Any:
    """A call, and its operation's good end."""
    answer = cloud.user.call(method, params)
    for _ in range(6):  # hosts with a kernel of their own are slow where others are at work
        done = cloud.user.call("user.operation.wait", {"operation_id": answer["operation_id"], "timeout": 25})
        if done["finished"]:
            break
    assert done["state"] == "done", done
    return answer


def test_life(shared_cloud: Cloud) -> None:
    """
    Two moments of a running guest's disk: the first is merged while the guest writes on, and taken back to is the
    second; then that is merged without a guest.
    """
    cloud = shared_cloud
    made = cloud.create(name="snapped", disk_mib=96)
    try:
        vm = cloud.wait_running(made["vm_id"], contextualized=False)
        with Shell(cloud, vm) as shell:
            shell.write("vda", "A", BEYOND)
            first = work(cloud, "user.vm.create_snapshot", vm_id=vm["vm_id"], name="first")
            shell.write("vda", "B", BEYOND + 8)
            second = work(cloud, "user.vm.create_snapshot", vm_id=vm["vm_id"], name="second", freeze="no")
            shell.write("vda", "C", BEYOND + 16)
            work(cloud, "user.snapshot.delete", snapshot_id=first["snapshot_ids"][0])
            assert [shell.read("vda", BEYOND + 8 * n) for n in range(3)] == ["A", "B", "C"]
            shell.write("vda", "D", BEYOND)
        (told,) = cloud.user.call("user.snapshot.get_list", {"vm_id": vm["vm_id"]})
        assert told["consistency"] == "crash" and told["snapshot_id"] == second["snapshot_ids"][0]
        work(cloud, "user.vm.stop", vm_id=vm["vm_id"])
        work(cloud, "user.snapshot.revert", snapshot_id=told["snapshot_id"])
        work(cloud, "user.snapshot.delete", snapshot_id=told["snapshot_id"])
        assert cloud.user.call("user.snapshot.get_list", {}) == []
        work(cloud, "user.vm.start", vm_id=vm["vm_id"])
        vm = cloud.wait_running(made["vm_id"], contextualized=False)
        with Shell(cloud, vm) as shell:
            assert [shell.read("vda", BEYOND + 8 * n) for n in range(2)] == ["A", "B"]
            assert shell.read("vda", BEYOND + 16) != "C"
    finally:
        cloud.user.call("user.vm.destroy", {"vm_ids": [made["vm_id"]]})
        cloud.wait_for(made["vm_id"], "destroyed")
    assert cloud.check_leaks() == []


def test_save(shared_cloud: Cloud) -> None:
    """
    An image of a running VM: its guest writes on all the while, to the volume that it wrote to before, and another VM
    that is made of it finds what was written until then.
    """
    cloud, ticks, answer = shared_cloud, BEYOND + 24, None
    made = [cloud.create(name="kept-on", disk_mib=96)["vm_id"]]
    try:
        vm = cloud.wait_running(made[0], contextualized=False)
        (before,) = cloud.user.call("user.disk.get_list", {"vm_id": vm["vm_id"]})
        with Shell(cloud, vm) as shell:
            shell.write("vda", "A", BEYOND)
            tick = f"i=$((i+1)); echo $i | dd of=/dev/vda seek={ticks} conv=fsync; sleep 0.1"
            loop = f"[ -e /tmp/on ] || {{ : >/tmp/on; i=100; while :; do {tick}; done; }}"
            shell.run(f"{{ {loop}; }} >/dev/null 2>&1 & echo begun")  # one, though it be typed again
            first = int(shell.read("vda", ticks) or "100")
            answer = work(cloud, "user.vm.save", vm_id=vm["vm_id"], name="kept")
            shell.write("vda", "B", BEYOND)
            last = int(shell.read("vda", ticks))
            assert shell.read("vda", BEYOND) == "B" and last > first
        done = cloud.user.call("user.operation.get", {"operation_id": answer["operation_id"]})
        assert done["result"] == {"image_id": answer["image_id"], "consistency": "crash"}
        assert cloud.user.call("user.snapshot.get_list", {}) == []
        (after,) = cloud.user.call("user.disk.get_list", {"vm_id": vm["vm_id"]})
        assert after["storage_id"] == before["storage_id"] and cloud.vm(vm["vm_id"])["state"] == "running"
        made.append(cloud.create(name="made-of-it", image_id=answer["image_id"], disk_mib=96)["vm_id"])
        with Shell(cloud, cloud.wait_running(made[1], contextualized=False)) as shell:
            assert shell.read("vda", BEYOND) == "A"
            assert first <= int(shell.read("vda", ticks) or "100") <= last
    finally:
        cloud.user.call("user.vm.destroy", {"vm_ids": made})
        for vm_id in made:
            cloud.wait_for(vm_id, "destroyed")
    assert answer is not None
    ended = cloud.user.call("user.system_image.delete", {"image_id": answer["image_id"]})
    cloud.user.call("user.operation.wait", {"operation_id": ended["operation_id"], "timeout": 25})
    assert cloud.check_leaks() == []
