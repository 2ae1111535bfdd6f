"""A guest of a farm, as it is told of itself."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from cm.rpc.vocabulary import VMId
from cm.rules.farm import member_name
from cm.rules.guest import Guest, GuestsFarm, Nic
from cm.services.farm_key import farm_secret_from, public_key

UUID = "5a1f6a52-7c0e-4b58-9d0a-3f2f0c7e9b11"
SECRET = farm_secret_from(b"s" * 32)


def guest(number: int = 0, *, has_key: bool = True, base: str = "Sums", user_data: str = "") -> Guest:
    hosts = tuple((VMId(20 + n), member_name(base, n), ip_address(f"10.0.0.{5 + n}")) for n in range(3))
    farm = GuestsFarm(3, UUID, base, number, public_key(SECRET, UUID), has_key, hosts)
    nic = Nic(0, "02:00:00:00:00:01", (ip_address("10.0.0.5"),), None, "wbr0", UUID, UUID)
    more: dict[str, Any] = {"image_uuid": UUID, "template_name": "small", "reservation_id": UUID, "root_device": "vda"}
    return Guest(
        VMId(20 + number), UUID, member_name(base, number), 1, nic, (nic,), 1, None, 4, **more, user_data=user_data,
        farm=farm,
    )  # fmt: skip
