"""Guests for tests: what a test is not about is filled in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from cm.rpc.vocabulary import VMId
from cm.rules.guest import Guest, Nic
from cm.rules.network import mac_of


def nic(address: str = "10.128.0.5", index: int = 0) -> Nic:
    known = IPv4Address(address)
    network_uuid = "aaaaaaaa-0000-4000-8000-00000000000a"
    own = f"dddddddd-0000-4000-8000-{index:012x}"
    return Nic(index, mac_of(known), (known,), IPv4Network("10.128.0.0/24"), "wbr0", network_uuid, own)


def guest(vm_id: int = 7, **changes: Any) -> Guest:
    made = Guest(
        vm_id=VMId(vm_id),
        uuid=f"12345678-9abc-4def-8123-4567{vm_id:08x}",
        name="Web Server",
        node_id=1,
        nic=nic(),
        nics=(nic(),),
        launches=1,
        launched_at=datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC),
        account_number=42,
        image_uuid="bbbbbbbb-0000-4000-8000-00000000000b",
        template_name="m1.small",
        reservation_id="cccccccc-0000-4000-8000-00000000000c",
        root_device="vda",
        secret="s3cr3t-of-7",
    )
    return replace(made, **changes)
