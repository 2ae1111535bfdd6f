"""What views tell of what is within guests."""

from __future__ import annotations

from typing import Annotated, TypedDict

from msgspec import Meta

from cm.rpc.fields import Bytes, Number
from cm.rpc.vocabulary import GuestWay

Way = Annotated[GuestWay, Meta(description="How its guest was asked.")]
Login = Annotated[str, Meta(examples=["debian"], description="The guest's account.")]


class GuestChange(TypedDict):
    """What was done within a VM's guest."""

    vm_id: Number
    way: Way


class GuestPassword(GuestChange):
    """A guest's account that has another password now."""

    user: Login
    password: Annotated[
        str | None,
        Meta(examples=["k7Hq2vTmZr4nWx9P"], description="The one that was drawn; null of one that was given."),
    ]


class GuestKeys(GuestChange):
    """The keys that let somebody in as a guest's account, after a change of them."""

    user: Login
    keys: list[str]


class GuestHostname(GuestChange):
    """A guest that is called otherwise."""

    hostname: Annotated[str, Meta(examples=["web"], description="Its own word of what it is called now.")]


class GuestOwnKey(GuestChange):
    """An SSH key of a guest's account, whose private part stays in the guest."""

    user: Login
    public_key: Annotated[str, Meta(examples=["ssh-ed25519 AAAA... debian"])]
    path: Annotated[str, Meta(examples=["/home/debian/.ssh/id_ed25519"], description="Of the private part.")]
    made: Annotated[bool, Meta(description="False: the account had it.")]


class GuestRoot(GuestChange):
    """A guest's root file system, which has grown as far as its disk goes."""

    kind: Annotated[str, Meta(examples=["ext4"])]
    before_bytes: Annotated[Bytes, Meta(description="What it had.")]
    total_bytes: Annotated[Bytes, Meta(description="What it has.")]


class GuestInterface(TypedDict):
    """A network card, as the guest has it."""

    name: Annotated[str, Meta(examples=["eth0"])]
    mac: Annotated[str, Meta(examples=["02:57:0a:80:00:05"], description="Empty where it has none.")]
    addresses: Annotated[list[str], Meta(examples=[["10.128.0.5/24"]])]


class GuestFilesystem(TypedDict):
    """What is mounted in a guest."""

    mountpoint: Annotated[str, Meta(examples=["/"])]
    device: Annotated[str, Meta(examples=["vda1"])]
    kind: Annotated[str, Meta(examples=["ext4"])]
    total_bytes: Annotated[Bytes, Meta(description="0: not told.")]
    used_bytes: Annotated[Bytes, Meta(description="Likewise.")]


class GuestUser(TypedDict):
    """Somebody who is logged in."""

    name: Login
    since: Annotated[float, Meta(examples=[1764453000.0], description="Unix seconds; 0: not told.")]


class GuestInfo(GuestChange):
    """What a guest tells of itself: its own word, cut where it is long."""

    hostname: Annotated[str, Meta(examples=["web"])]
    os: Annotated[str, Meta(examples=["Debian GNU/Linux 12 (bookworm)"])]
    kernel: Annotated[str, Meta(examples=["6.1.0-57-cloud-amd64"])]
    interfaces: list[GuestInterface]
    filesystems: list[GuestFilesystem]
    users: list[GuestUser]
    silent: Annotated[list[str], Meta(examples=[["users"]], description="Parts that it did not tell.")]
    load: Annotated[
        list[float],
        Meta(
            examples=[[0.1, 0.05, 0.01]],
            description="Processes that wait for a CPU, over 1, 5 and 15 minutes; empty where it is not told.",
        ),
    ]
