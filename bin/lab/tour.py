"""What ``bin/demo`` shows of a cloud of several clusters: a user's way into it and their first VMs, by the console."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from lab.console import Wawel
from lab.daemon import Daemon
from lab.federation import Cluster, Federation
from lab.furnish import by_name
from lab.hints import cloud_text
from lab.lone_tour import USER_DATA, greeting
from lab.places import LabProblem


class Tour(Protocol):
    """What ``bin/demo`` can show: it begins and ends a cloud, and something in it."""

    run_dir: Path

    def start(self) -> object:
        """Start the cloud."""

    def begin(self) -> None:
        """Make what there is to see."""

    def end(self) -> None:
        """Destroy that, and see that nothing is left of it."""

    def hints(self) -> str:
        """What to try next."""

    def daemons(self) -> list[Daemon]:
        """The managers, which are to run until the end."""

    def close(self) -> None:
        """End the cloud."""


class CloudTour:
    """Of a federation."""

    def __init__(self, cloud: Federation) -> None:
        self.cloud = cloud
        self.run_dir = cloud.run_dir
        self.start, self.close, self.daemons = cloud.start, cloud.close, cloud.daemons
        self._vms: dict[str, dict[str, Any]] = {}                        # by cluster

    def begin(self) -> None:
        cloud = self.cloud
        self.wawel = Wawel(cloud.base / "console")
        self.wawel.write_environment(cloud.base / "env")
        self.join()
        self.create()
        self.show()

    def join(self) -> None:
        """A user registers, the administrator lets them in, and they log in; one whom a kept cloud knows logs in."""
        cloud, wawel = self.cloud, self.wawel
        admin, user = cloud.credentials.admin, cloud.credentials.user
        log_in = ("login", "--url", cloud.clm.url, "--password-file", "-")
        with cloud.steps.step(f"by the console: {user.login} registers, {admin.login} activates, {user.login} logs in"):
            wawel(*log_in, "--profile", "admin", "--login", admin.login, standard_input=admin.password + "\n")
            if cloud.find_user(user.login) is None:
                wawel("--url", cloud.clm.url, "register", "--login", user.login, "--email",
                      f"{user.login}@wawel.example", "--password-file", "-", standard_input=user.password + "\n")
                wawel("--profile", "admin", "user", "activate", user.login)
            wawel(*log_in, "--use", "--profile", "demo", "--login", user.login, standard_input=user.password + "\n")

    def create(self) -> None:
        """A VM on each cluster, all at once; those of a kept cloud are started again."""
        cloud = self.cloud
        data = cloud.base / "console" / "user-data"
        data.write_text(USER_DATA)
        real = cloud.hypervisor == "qemu"
        kept = {cluster.name: self.find(cluster) for cluster in cloud.clusters}
        what = "starting the VM" if all(kept.values()) else "creating a VM"
        with cloud.steps.step(f"{what} on each cluster" + (", until its guest says hello" if real else "")):
            started = {}
            for cluster in cloud.clusters:
                vm = kept[cluster.name]
                if vm is None:
                    # By their ids: people may have an image of that name, too.
                    started[cluster.name] = self.wawel.start(
                        "vm", "create", f"first-{cluster.name}", "--cluster", cluster.name,
                        "--image", str(cluster.image_id), "--template", str(cluster.template_ids["tiny"]),
                        "--description", "Made by bin/demo", "--user-data-file", str(data),
                        "--wait-guest" if real else "--wait", "-o", "json",
                    )  # fmt: skip
                elif vm["state"] != "running":
                    started[cluster.name] = self.wawel.start(
                        "vm", "start", str(vm["vm_id"]), "--cluster", cluster.name, "--wait"
                    )
            answers = self.wawel.end_all(started)
            for cluster in cloud.clusters:
                vm = kept[cluster.name]
                if vm is None:
                    self._vms[cluster.name] = self.wawel.first(answers[cluster.name])
                else:
                    self._vms[cluster.name] = cluster.wait_running(vm["vm_id"], contextualized=real)

    def find(self, cluster: Cluster) -> dict[str, Any] | None:
        """The VM that an earlier start made, whatever has become of it."""
        found = json.loads(self.wawel("vm", "ls", "--cluster", cluster.name, "-o", "json"))
        return by_name(found, f"first-{cluster.name}")

    def show(self) -> None:
        """All VMs of all clusters in one list, and what the guests say."""
        self.cloud.steps.say("wawel vm ls --all-clusters")
        self.cloud.steps.quote(self.wawel("vm", "ls", "--all-clusters").splitlines())
        if self.cloud.hypervisor == "qemu":
            for name, vm in self._vms.items():
                said = self.wawel("vm", "console", str(vm["vm_id"]), "--cluster", name)
                self.cloud.steps.quote(greeting(said))

    def end(self) -> None:
        """:raises LabProblem: something is left of the VMs."""
        cloud = self.cloud
        with cloud.steps.step("destroying the VMs"):
            self.wawel.end_all({
                name: self.wawel.start("vm", "destroy", "--yes", "--wait", "--cluster", name, str(vm["vm_id"]))
                for name, vm in self._vms.items()
            })  # fmt: skip
        with cloud.steps.step("looking for leaks"):
            left = cloud.check_leaks()
        if left:
            raise LabProblem("something is left of the VMs: " + "; ".join(left))
        cloud.steps.say("nothing leaked: no domain, volume, address, port, capacity or quota")

    def hints(self) -> str:
        return cloud_text(self.cloud)
