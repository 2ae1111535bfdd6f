"""``wawel vm create``."""

from __future__ import annotations

from typing import Any

import click

from clm.console.context import Console
from clm.console.keys import read_keys
from clm.console.names import Found, find, find_all
from clm.console.options import shared
from clm.console.output import emit, emit_list
from clm.console.problems import REFUSED, Problem, one_line
from clm.console.quoting import argument
from clm.console.values import NUMBER, NamedType, Real, Whole, read_user_data
from clm.console.waiting import Deadline, Watch, check_ended, interruptible, wait_operation, wait_vm
from cm.rpc.errors import CloudError


@click.command("create")
@click.argument("name")
@click.option("--image", required=True, type=NamedType("image"), metavar="IMAGE", help="By name, id, uuid, or family.")
@click.option("--template", required=True, type=NamedType("template"), metavar="TEMPLATE", help="The size, likewise.")
@click.option("--count", type=Whole(1, 200), help="So many, named NAME_1, NAME_2 ...")
@click.option("--description", default="", help="What it is for.")
@click.option(
    "--key",
    "keys",
    multiple=True,
    type=NamedType("key"),
    metavar="KEYNAME",
    help="The SSH key of this name, of those that the cloud keeps; repeatable.",
)
@click.option(
    "--key-file",
    "key_files",
    multiple=True,
    metavar="FILE",
    help="SSH public keys, such as ~/.ssh/id_ed25519.pub; repeatable.",
)
@click.option("--user", "username", metavar="LOGIN", help="The guest's account that gets the key.")
@click.option("--user-data-file", metavar="FILE", help="For cloud-init, text or gzip; - is standard input.")
@click.option("--vnc", is_flag=True, help="Open its screen from the start.")
@click.option("--on-poweroff", type=click.Choice(["stop", "save", "destroy", "restart"]),
              help="What becomes of it when its guest powers itself off.")  # fmt: skip
@click.option("--disk-mib", type=Whole(1), metavar="MIB", help="Its root disk's size, if larger than the image's.")
@click.option("--copy", is_flag=True, help="A full copy of the image, in place of an overlay on it.")
@click.option("--iso", multiple=True, metavar="IMAGE", type=NamedType("iso"), help="An ISO image for it; repeatable.")
@click.option("--disk", multiple=True, metavar="IMAGE", type=NamedType("disk-image"),
              help="A storage image; repeatable.")  # fmt: skip
@click.option("--network", "networks", multiple=True, type=NamedType("network"),
              help="What a network card of it is on; repeatable, one for each card.")  # fmt: skip
@click.option("--security-group", "groups", multiple=True, metavar="GROUP", type=NamedType("security-group"),
              help="What its network cards are in; repeatable.")  # fmt: skip
@click.option("--metadata", type=click.Choice(["imds", "nocloud", "seed-iso", "config-drive", "none"]),
              help="Where its guest finds what it is told; without it as the image says.")  # fmt: skip
@click.option("--firmware", type=click.Choice(["bios", "uefi"]), help="What it boots by; without it as the image says.")
@click.option("--machine", type=click.Choice(["auto", "q35", "pc"]), help="Its chipset, likewise.")
@click.option("--boot-menu", "boot_menu_s", type=Whole(0, 60), metavar="SECONDS",
              help="For how long it asks at its screen what to boot from; 0: not at all.")  # fmt: skip
@click.option("--cpu-model", type=click.Choice(["host", "baseline"]),
              help="Its node's CPU, or the one that all nodes can give.")  # fmt: skip
@click.option("--max-cpu", type=Whole(1, 240), help="How many CPUs it may have while it runs, by wawel vm resize.")
@click.option("--max-memory-mib", type=Whole(1), metavar="MIB", help="How much memory, likewise.")
@click.option("--wait", is_flag=True, help="Until it runs; exit code 5 if it does not come to that.")
@click.option("--wait-guest", is_flag=True, help="Until its guest has said hello, too.")
@click.option("--wait-timeout", type=Real(0), default=600.0, show_default=True, metavar="SECONDS",
              help="How long to wait; 0: for ever.")  # fmt: skip
@click.pass_obj
def create(
    console: Console, name: str, image: str, template: str, count: int | None, description: str,
    keys: tuple[str, ...], key_files: tuple[str, ...], username: str | None, user_data_file: str | None, vnc: bool,
    on_poweroff: str | None, disk_mib: int | None, copy: bool, iso: tuple[str, ...], disk: tuple[str, ...],
    networks: tuple[str, ...], groups: tuple[str, ...], metadata: str | None, firmware: str | None,
    machine: str | None, boot_menu_s: int | None, cpu_model: str | None, max_cpu: int | None,
    max_memory_mib: int | None, wait: bool, wait_guest: bool,
    wait_timeout: float,
) -> None:  # fmt: skip
    """Create a VM, or several."""
    params: dict[str, Any] = {"name": name, "description": description}
    cluster = _place(console, params, image, template)
    ssh_key = _keys(console, keys, key_files)
    named = (("iso", iso), ("disk-image", disk), ("security-group", groups))
    parts = {kind: _parts(console, kind, told, cluster) for kind, told in named}
    cards = [number for each in networks for number in _parts(console, "network", (each,), cluster)]
    told: dict[str, Any] = {
        "count": count, "vnc": vnc or None, "on_poweroff": on_poweroff, "deploy_mode": "copy" if copy else None,
        "disk_mib": disk_mib, "metadata": metadata, "firmware": firmware, "machine": machine,
        "boot_menu_s": boot_menu_s, "cpu_model": cpu_model, "max_cpu": max_cpu,
        "max_memory_mib": max_memory_mib,
        "iso_list": parts["iso"] or None, "disk_list": parts["disk-image"] or None, "ssh_key": ssh_key,
        "networks": cards or None, "security_group_ids": parts["security-group"] or None,
        "ssh_username": (username or "root") if ssh_key else username,
        "user_data": read_user_data(user_data_file) if user_data_file else None,
    }  # fmt: skip
    params |= {option: value for option, value in told.items() if value is not None}
    made = console.change("user.vm.create", params, cluster=cluster)
    if console.options.dry_run or not isinstance(made, list):
        emit(console, made, "vm")
        return
    if wait or wait_guest:
        try:
            made = _wait(console, made, cluster, wait_guest, wait_timeout)
        except BaseException:
            # What was made is made, and its VNC password is told only now.
            emit_list(console, made, "vm")
            raise
    emit_list(console, made, "vm")
    for each in made:
        if each.get("vnc_password") and not console.options.output:
            console.say(f"VNC of {each.get('name')}: {each.get('vnc_endpoint') or ''} password {each['vnc_password']}")


create.params += shared(changes=True)


def _place(console: Console, params: dict[str, Any], image: str, template: str) -> str:
    """The image and the template, which have to be of one cluster; that cluster."""
    found: list[Found] = [_image(console, image)]
    if found[0].cluster and not console.options.cluster:
        console.options.cluster = found[0].cluster  # a template of the same name there is the one meant
    found.append(find(console, "template", template))
    params["image_id"], params["template_id"] = found[0].id, found[1].id
    return found[0].cluster or found[1].cluster


def _image(console: Console, image: str) -> Found:
    """By name, id or uuid; or the newest of the family of that name. An image that has the name itself comes first."""
    prefer = _default_cluster(console, image)
    try:
        return find(console, "image", image, prefer=prefer)
    except Problem as problem:
        cluster = prefer or console.cluster()
        try:
            newest = console.call("user.system_image.get_newest", {"family": image}, cluster=cluster)
        except (CloudError, Problem):
            raise problem from None
        return Found(newest["image_id"], cluster, newest["name"])


def _default_cluster(console: Console, image: str) -> str:
    """The cluster that a cloud's user works on when nothing else is said; asked for where an image's name needs it."""
    if NUMBER.match(image) or not console.is_cloud or console.cluster():
        return ""
    told = console.call("user.account.get")
    return str(told.get("default_cluster") or "") if isinstance(told, dict) else ""


def _parts(console: Console, kind: str, told: tuple[str, ...], cluster: str) -> list[int]:
    found = find_all(console, kind, told)
    elsewhere = [each.shown for each in found if each.cluster and cluster and each.cluster != cluster]
    if elsewhere:
        raise Problem(f"Not on cluster {cluster}: {one_line(', '.join(elsewhere))}.")
    return [each.id for each in found]


def _keys(console: Console, kept: tuple[str, ...], files: tuple[str, ...]) -> str | None:
    """The keys that the guest is to get, one a line."""
    found = [key for file in files for key in read_keys(file)]
    if kept and not console.is_cloud:
        raise Problem("A lone cluster keeps no keys; give --key-file.")
    for name in kept:
        told = console.call("user.key.get", {"name": name.removeprefix("name:")})
        key = told.get("public_key") or told.get("key") if isinstance(told, dict) else None
        if not isinstance(key, str):
            raise Problem(f"The server tells no public key of {name!r}.", REFUSED)
        found.append(key)
    return "\n".join(dict.fromkeys(found)) or None


def _wait(
    console: Console, made: list[dict[str, Any]], cluster: str, guest: bool, timeout: float
) -> list[dict[str, Any]]:  # fmt: skip
    deadline, ended = Deadline(timeout), []
    names = " ".join(argument(str(vm.get("name"))) for vm in made[:1])
    with Watch() as watch, interruptible(f"wawel vm show {names} tells how it is."):
        for vm in made:
            name = str(vm.get("name"))

            def note(state: str, percent: float, name: str = name) -> None:
                watch.note(name, state, min(percent, 99.0))

            if vm.get("operation_id"):
                op = wait_operation(console, vm["operation_id"], cluster=cluster, deadline=deadline, note=note)
                check_ended(op, f"VM {name}")
            now = wait_vm(console, vm["vm_id"], cluster=cluster, guest=guest, deadline=deadline, note=note)
            watch.note(name, str(now.get("state")), 100.0)
            ended.append({**vm, **now})
    return ended
