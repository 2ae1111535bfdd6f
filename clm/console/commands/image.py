"""``wawel image``."""

from __future__ import annotations

import os
import re
import time
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import click

from clm.console.context import Console
from clm.console.downloading import receive_file
from clm.console.groups import NounGroup
from clm.console.names import find
from clm.console.options import everybody, verb
from clm.console.output import emit, emit_list
from clm.console.problems import OperationFailed, Problem, one_line
from clm.console.scope import all_clusters as all_clusters_option
from clm.console.scope import scope
from clm.console.uploading import send_file
from clm.console.values import NamedType, Real
from clm.console.waiting import POLL_S, Deadline, Watch, because, interruptible
from cm.rpc.errors import Unavailable

FORMATS = ("qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx")
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
KINDS = ("system", "storage", "iso")


@click.group(cls=NounGroup, noun="system_image", no_args_is_help=True)
def image() -> None:
    """Images: what VMs are made from, disks, ISO images."""


@verb(image, "ls")
@everybody
@click.option("--kind", type=click.Choice(KINDS), default="system", show_default=True)
@click.option("--access", type=click.Choice(["private", "public"]), help="Only mine, or only those for everybody.")
@all_clusters_option
def ls(console: Console, admin: bool, kind: str, access: str | None, all_clusters: bool) -> None:
    """List images, newest first."""
    params: dict[str, Any] = {"access": access} if access else {}
    method = f"user.{kind}_image.get_list"
    if admin:
        method, params = "admin.system_image.get_list", {**params, "kind": kind}
    cluster = scope(console, all_clusters)
    emit_list(console, console.call(method, params, cluster=cluster), f"{kind}_image", every=all_clusters)


@verb(image, "import", changes=True)
@click.argument("source", metavar="FILE_OR_URL")
@click.option("--storage", type=NamedType("storage"), metavar="STORAGE", help="Where to keep it, as administrator.")
@click.option("--name", help="Without it, the file's name.")
@click.option("--description", default="")
@click.option("--kind", type=click.Choice(KINDS), default="system", show_default=True)
@click.option("--access", type=click.Choice(["private", "public"]), help="Administrators' are public without it.")
@click.option("--format", "image_format", type=click.Choice(FORMATS), help="What is found must be this.")
@click.option("--platform", help="The guest's kind of system.")
@click.option("--sha256", metavar="HEX", help="Refuse anything else; of a URL.")
@click.option("--sha512", metavar="HEX", help="The same, of twice the length.")
@click.option("--sums", metavar="NAME_OR_URL", help="A file of checksums beside the URL, such as SHA256SUMS.")
@click.option("--disk-controller", type=click.Choice(["virtio", "scsi", "sata", "ide"]), help="virtio without it.")
@click.option("--network-device", type=click.Choice(["virtio", "e1000", "rtl8139"]), help="virtio without it.")
@click.option("--video-device", type=click.Choice(["vga", "virtio", "cirrus"]), help="vga without it.")
@click.option("--wait", is_flag=True, help="Until it is there; exit code 5 if it fails.")
@click.option("--wait-timeout", type=Real(0), default=3600.0, show_default=True, metavar="SECONDS")
def import_(
    console: Console, source: str, storage: str | None, name: str | None, description: str, kind: str,
    access: str | None, image_format: str | None, platform: str | None, sha256: str | None, sha512: str | None,
    sums: str | None, disk_controller: str | None, network_device: str | None, video_device: str | None, wait: bool,
    wait_timeout: float,
) -> None:  # fmt: skip
    """
    Import an image: of your own from a URL, or as an administrator, who says on which storage.

    The cluster manager fetches it, unpacks it (gz, bz2, xz, zst, zip of one file), and converts to qcow2 what is
    neither that nor raw (vmdk, vdi, vhd, vhdx). A file is one of the cluster manager's machine, in a directory that is
    configured there for imports.
    """
    remote = "://" in source
    if (sha256 or sha512 or sums) and not remote:
        raise Problem("Checksums are for URLs; a file's digest is told by the image, once it is there.")
    if not storage and not remote:
        raise Problem("A file is imported by administrators: --storage says where it is kept.")
    if not storage and access == "public":
        raise Problem("An image of your own is private; an administrator's, with --storage, may be public.")
    path = PurePosixPath(urlsplit(source).path if remote else source)
    path = path.with_suffix("") if path.suffix.lower() in _PACKED else path
    params: dict[str, Any] = {"name": name or path.stem or "image", "description": description}
    params["url" if remote else "path"] = source if remote else os.path.abspath(source)
    optional = {
        "format": image_format, "platform": platform, "disk_controller": disk_controller,
        "network_device": network_device, "video_device": video_device, "sums": sums,
        "sha256": _digest("sha256", sha256, 64), "sha512": _digest("sha512", sha512, 128),
    }  # fmt: skip
    params |= {key: value for key, value in optional.items() if value is not None}
    if storage:
        found = find(console, "storage", storage, admin=True)
        cluster = found.cluster
        params |= {"storage_id": found.id, "kind": kind, "access": access or "public"}
        method = f"admin.system_image.import_{'url' if remote else 'file'}"
    else:
        cluster, method = console.cluster(), f"user.{kind}_image.import_url"
    made = console.change(method, params, cluster=cluster)
    if wait and not console.options.dry_run:
        made = wait_image(console, made, cluster, wait_timeout, None if storage else kind)
    emit(console, made, "system_image")


@verb(image, "upload", changes=True)
@click.argument("file", metavar="FILE")
@click.option("--storage", type=NamedType("storage"), metavar="STORAGE", help="Where to keep it, as administrator.")
@click.option("--name", help="Without it, the file's name.")
@click.option("--description", default="")
@click.option("--kind", type=click.Choice(KINDS), default="system", show_default=True)
@click.option("--access", type=click.Choice(["private", "public"]), help="Administrators' are public without it.")
@click.option("--format", "image_format", type=click.Choice(FORMATS), help="What is found must be this.")
@click.option("--platform", help="The guest's kind of system.")
@click.option("--sha256", metavar="HEX", help="What the file must have; it is compared before it is sent.")
@click.option("--disk-controller", type=click.Choice(["virtio", "scsi", "sata", "ide"]), help="virtio without it.")
@click.option("--network-device", type=click.Choice(["virtio", "e1000", "rtl8139"]), help="virtio without it.")
@click.option("--video-device", type=click.Choice(["vga", "virtio", "cirrus"]), help="vga without it.")
@click.option("--again", is_flag=True, help="Begin anew, whatever of it has come already.")
@click.option("--wait", is_flag=True, help="Until it can be used; exit code 5 if it fails.")
@click.option("--wait-timeout", type=Real(0), default=3600.0, show_default=True, metavar="SECONDS")
def upload(
    console: Console, file: str, storage: str | None, name: str | None, description: str, kind: str,
    access: str | None, image_format: str | None, platform: str | None, sha256: str | None,
    disk_controller: str | None, network_device: str | None, video_device: str | None, again: bool, wait: bool,
    wait_timeout: float,
) -> None:  # fmt: skip
    """
    Upload a file of this machine as an image of your own, or as an administrator, who says on which storage.

    It may be packed (gz, bz2, xz, zst, zip of one file), and in a format that becomes qcow2 (vmdk, vdi, vhd, vhdx).
    What was interrupted goes on where it was, when the same command is given again. Its checksum goes with it, so what
    is there then is what was here.
    """
    if not storage and access == "public":
        raise Problem("An image of your own is private; an administrator's, with --storage, may be public.")
    path = PurePosixPath(os.path.basename(file))
    stem = path.with_suffix("") if path.suffix.lower() in _PACKED else path
    values = {
        "name": name or stem.stem or "image", "description": description, "filename": path.name, "format": image_format,
        "platform": platform, "disk_controller": disk_controller, "network_device": network_device,
        "video_device": video_device,
    }  # fmt: skip
    params: dict[str, Any] = {key: value for key, value in values.items() if value is not None}
    method, cluster = f"user.{kind}_image.upload", console.cluster()
    if storage:
        found = find(console, "storage", storage, admin=True)
        params |= {"storage_id": found.id, "kind": kind, "access": access or "public"}
        method, cluster = "admin.system_image.upload", found.cluster
    made = send_file(console, file, method, params, cluster, _digest("sha256", sha256, 64), again)
    if wait and not console.options.dry_run:
        where = cluster or str(made.get("cluster") or "")
        made = wait_image(console, made, where, wait_timeout, None if storage else kind)
    emit(console, made, "system_image")


@verb(image, "download")
@click.argument("which", metavar="IMAGE")
@click.argument("file", metavar="FILE", required=False)
@click.option("--kind", type=click.Choice(KINDS), default="system", show_default=True)
def download(console: Console, which: str, file: str | None, kind: str) -> None:
    """
    Read an image into a file of this machine, as it lies on its storage (qcow2 or raw), over interruptions that pass.

    FILE may be a directory; without it the file is put here, under the image's name. No file is written over.
    """
    found = find(console, {"system": "image", "storage": "disk-image", "iso": "iso"}[kind], which)
    ticket = console.change(f"user.{kind}_image.create_download", {"image_id": found.id}, cluster=found.cluster)
    path = receive_file(console, ticket, file)
    emit(console, {"file": str(path), "size_bytes": path.stat().st_size, "image_id": found.id}, "file")


@verb(image, "known")
def known(console: Console) -> None:
    """List the well-known images that administrators may import, and which are there."""
    emit_list(console, console.call("admin.system_image.get_known", {}, cluster=console.cluster()), "known_image")


@verb(image, "import-known", changes=True)
@click.argument("which", metavar="NAME")
@click.option("--storage", required=True, type=NamedType("storage"), metavar="STORAGE", help="Where to keep it.")
@click.option("--name", help="Without it, as in the catalogue, with today's date.")
@click.option("--access", type=click.Choice(["private", "public"]), default="public", show_default=True)
@click.option("--wait", is_flag=True, help="Until it is there; exit code 5 if it fails.")
@click.option("--wait-timeout", type=Real(0), default=3600.0, show_default=True, metavar="SECONDS")
def import_known(
    console: Console, which: str, storage: str, name: str | None, access: str, wait: bool, wait_timeout: float
) -> None:
    """Import a well-known image (see `wawel image known`), with its checksum looked up, as an administrator."""
    found = find(console, "storage", storage, admin=True)
    params: dict[str, Any] = {"known": which, "storage_id": found.id, "access": access}
    params |= {"name": name} if name else {}
    made = console.change("admin.system_image.import_known", params, cluster=found.cluster)
    if wait and not console.options.dry_run:
        made = wait_image(console, made, found.cluster, wait_timeout)
    emit(console, made, "system_image")


def _digest(kind: str, given: str | None, digits: int) -> str | None:
    if not given:
        return None
    digest = given.lower().removeprefix(f"{kind}:")
    if not re.fullmatch(rf"[0-9a-f]{{{digits}}}", digest):
        raise Problem(f"--{kind} is {digits} hexadecimal digits, with or without {kind}: before them.")
    return digest


def wait_image(
    console: Console, made: dict[str, Any], cluster: str, timeout: float, kind: str | None = None
) -> dict[str, Any]:
    """
    Wait until an image is there.

    :param kind: of one's own; None asks as an administrator.
    :raises OperationFailed: it will not be.
    """
    deadline = Deadline(timeout)
    number = made.get("operation_id")
    view = f"user.{kind}_image.get_by_id" if kind else "admin.system_image.get_by_id"
    everybody = "" if kind else " -A"
    on = f"wawel image show {made['image_id']} tells more."
    if number:
        on = f"To wait for it: wawel op wait {number}{everybody}"
    with Watch() as watch, interruptible(on):
        while True:
            try:
                params = {"image_id": made["image_id"]}
                now = console.call(view, params, cluster=cluster)
                deadline.answered()
            except Unavailable as error:
                deadline.forgive(error)
                continue
            state = because(str(now.get("state")), now.get("waiting_for"))
            watch.note(str(now.get("name")), state, float(now.get("progress") or 0))
            if now.get("state") == "ok":
                return dict(now)
            if now.get("state") != "adding":
                told = one_line(str(now.get("error") or ""))
                raise OperationFailed(f"Image {now.get('name')} is {now.get('state')}{': ' + told if told else ''}")
            deadline.check(f"The import of {now.get('name')}")
            time.sleep(POLL_S)
