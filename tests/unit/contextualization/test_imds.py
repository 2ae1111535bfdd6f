"""EC2's metadata: its listings, its versions, its tokens."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from types import SimpleNamespace
from typing import Any

import pytest
from guest_builder import guest, nic
from hypothesis import given
from hypothesis import strategies as st

from clm.ec2.actions.card import card_id
from clm.ec2.actions.vpc import vpc_id
from clm.ec2.ids import account
from contextualization.metadata.imds import TOKEN_HEADER, TTL_HEADER, answer_imds, is_token_of, make_token
from contextualization.metadata.tree import guest_tree
from contextualization.wire import Answer, Exchange, Refusal
from node_hooks.signature import HOP_LIMIT_HEADER

KEY = b"k" * 32
NOW = 1_700_000_000.0


def ask(
    path: str, made: object = None, method: str = "GET", v1: bool = True, now: float = NOW, **headers: str
) -> Answer:
    sent = {name.replace("_", "-").lower(): (value,) for name, value in headers.items()}
    exchange = Exchange(method, "/guest" + path, sent)
    known: Any = made or guest(ssh_key="ssh-rsa AAAA me@home")
    return answer_imds(
        known,
        lambda: guest_tree(known, "krakow", "internal"),
        exchange,
        path,
        key=KEY,
        now=now,
        v1=v1,
    )


def token(ttl: str = "60", made: object = None) -> str:
    return ask("/latest/api/token", made, "PUT", **{TTL_HEADER: ttl}).body.decode()


def status(*args: object, **kwargs: object) -> int:
    with pytest.raises(Refusal) as refused:
        ask(*args, **kwargs)  # type: ignore[arg-type]
    return refused.value.status


class TestListings:
    def test_versions(self) -> None:
        """The root lists versions, one a line, no slash and no line feed at the end."""
        lines = ask("/").body.decode().split("\n")
        assert lines[0] == "1.0" and lines[-1] == "latest" and {"2009-04-04", "2021-03-23"} < set(lines)

    @pytest.mark.parametrize("path", ["/latest", "/latest/", "/2021-03-23/", "/1.0"])
    def test_version(self, path: str) -> None:
        """A version lists its parts without slashes; user-data only where there is some."""
        assert ask(path).body == b"dynamic\nmeta-data"
        assert ask(path, guest(user_data="#!x")).body == b"dynamic\nmeta-data\nuser-data"

    @pytest.mark.parametrize("slash", ["", "/"])
    def test_meta_data(self, slash: str) -> None:
        """Directories end in a slash, leaves do not; asked with or without one they are the same."""
        lines = ask("/latest/meta-data" + slash).body.decode().split("\n")
        assert lines == sorted(lines)
        assert {"ami-id", "instance-id", "network/", "placement/", "public-keys/", "services/"} < set(lines)
        assert ask("/latest/meta-data/placement" + slash).body == b"availability-zone\navailability-zone-id\nregion"
        assert ask("/latest/meta-data/placement/availability-zone" + slash).body == b"krakowa"

    def test_public_keys(self) -> None:
        """Keys are listed as ``0=name``, as nothing else is."""
        assert ask("/latest/meta-data/public-keys/").body == b"0=me@home"
        assert ask("/latest/meta-data/public-keys/0").body == b"openssh-key"
        assert ask("/latest/meta-data/public-keys/0/openssh-key").body == b"ssh-rsa AAAA me@home\n"
        assert "public-keys/" not in ask("/latest/meta-data/", guest()).body.decode().split("\n")

    def test_interfaces(self) -> None:
        """Each NIC is a directory named by its MAC address; vpc-id keeps cloud-init from taking it for EC2 Classic."""
        made = guest(nics=(nic(), nic("10.128.0.9", 1)))
        macs = "/latest/meta-data/network/interfaces/macs/"
        assert ask(macs, made).body == b"02:57:0a:80:00:05/\n02:57:0a:80:00:09/"
        assert ask(macs + "02:57:0a:80:00:09/local-ipv4s", made).body == b"10.128.0.9"
        assert b"vpc-id" in ask(macs + "02:57:0a:80:00:05/", made).body
        context: Any = SimpleNamespace(owner=account(42), region="krakow")
        for mac in (each.mac for each in made.nics):
            assert ask(f"{macs}{mac}/vpc-id", made).body.decode() == vpc_id(context)
            assert ask(f"{macs}{mac}/owner-id", made).body.decode() == context.owner
        second = made.nics[1]
        assert ask(f"{macs}{second.mac}/interface-id", made).body.decode() == card_id({"uuid": second.uuid})

    def test_stored_mac(self) -> None:
        """A NIC has the MAC that it was made with, and as many addresses as it has, of either kind."""
        addresses = (IPv4Address("10.128.0.5"), IPv4Address("10.128.0.6"), IPv6Address("fd00::5"))
        own = replace(nic(), mac="02:58:00:00:00:07", addresses=addresses)
        made = guest(nic=own, nics=(own,))
        macs = "/latest/meta-data/network/interfaces/macs/"
        assert ask(macs, made).body == b"02:58:00:00:00:07/"
        assert ask("/latest/meta-data/mac", made).body == b"02:58:00:00:00:07"
        assert ask(macs + "02:58:00:00:00:07/local-ipv4s", made).body == b"10.128.0.5\n10.128.0.6"
        assert ask(macs + "02:58:00:00:00:07/ipv6s", made).body == b"fd00::5"

    def test_public(self) -> None:
        """By which address of IPv4 it is reached from outside, if there is one."""
        meta, macs = "/latest/meta-data/", "/latest/meta-data/network/interfaces/macs/02:57:0a:80:00:05/"
        assert status(meta + "public-ipv4") == status(macs + "public-ipv4s") == 404
        own = replace(nic(), public=(IPv4Address("203.0.113.7"), IPv6Address("2001:db8::7")))
        made = guest(nic=own, nics=(own, nic("10.128.0.9", 1)))
        assert ask(meta + "public-ipv4", made).body == ask(macs + "public-ipv4s", made).body == b"203.0.113.7"
        assert ask(meta + "public-hostname", made).body == ask(meta + "hostname", made).body
        assert b"public-ipv4s" not in ask(macs.replace(":05/", ":09/"), made).body

    def test_networks(self) -> None:
        """Ranges of either kind, groups by name and id, what leads to which address; a NIC of which little is known."""
        group = ("eeeeeeee-0000-4000-8000-00000000000e", "web\nservers")
        own = replace(
            nic(),
            addresses=(IPv4Address("10.128.0.5"), IPv6Address("fd00::5")),
            public=(IPv4Address("203.0.113.7"),),
            network6=IPv6Network("fd00::/64"),
            groups=(group,),
        )
        foreign = replace(nic("10.128.0.9", 1), addresses=(), network=None)
        made = guest(nic=own, nics=(own, foreign))
        at = f"/latest/meta-data/network/interfaces/macs/{own.mac}/"
        for name, wanted in {
            "subnet-ipv6-cidr-blocks": "fd00::/64",
            "vpc-ipv6-cidr-blocks": "fd00::/64",
            "subnet-ipv4-cidr-block": "10.128.0.0/24",
            "security-groups": "web servers",
            "security-group-ids": "sg-eeeeeeee000040008",
            "ipv4-associations/203.0.113.7": "10.128.0.5",
        }.items():
            assert ask(at + name, made).body.decode() == wanted, name
        assert ask("/latest/meta-data/ipv6", made).body == b"fd00::5"
        assert ask("/latest/meta-data/security-groups", made).body == b"web servers"
        lines = ask(f"/latest/meta-data/network/interfaces/macs/{foreign.mac}/", made).body.decode().split("\n")
        assert "vpc-id" in lines and not any("ipv" in line or "group" in line for line in lines)
        alone = guest(nic=foreign, nics=(foreign,))
        assert b"local-ipv4" not in ask("/latest/meta-data/", alone).body
        assert json.loads(ask("/latest/dynamic/instance-identity/document", alone).body)["privateIp"] is None

    def test_everything_listed_is_served(self) -> None:
        """cloud-init's crawl: all that is named by a listing answers; one 404 would cost all metadata."""
        own = replace(nic(), public=(IPv4Address("203.0.113.7"),), groups=(("e" * 32, "web"),))
        made = guest(
            ssh_key="ssh-rsa A\nssh-rsa B b",
            user_data="x",
            data_devices=("vdb",),
            nic=own,
            nics=(own, nic("10.128.0.9", 1)),
            tags={"Name": "web", "a/b": "no", "1=x": "no"},
        )
        seen = []

        def crawl(path: str) -> None:
            for line in ask(path, made).body.decode().split("\n"):
                name = line.partition("=")[0] + "/" if path.endswith("public-keys/") else line
                if name.endswith("/"):
                    crawl(path + name)
                else:
                    seen.append(path + name)
                    assert ask(path + name, made).body

        crawl("/2021-03-23/meta-data/")
        crawl("/2021-03-23/dynamic/")
        assert len(seen) > 35

    def test_document(self) -> None:
        """The identity document is JSON with AWS's names."""
        document = json.loads(ask("/latest/dynamic/instance-identity/document").body)
        assert document["instanceId"] == "i-123456789abc4def8"
        assert document["accountId"] == "000000000042"
        assert document["availabilityZone"] == "krakowa" and document["region"] == "krakow"
        assert document["pendingTime"] == "2024-05-06T07:08:09Z"

    @pytest.mark.parametrize(
        "path",
        [
            "/latest/user-data",
            "/1999-01-01/",
            "/latest/meta-data/x",
            "/latest/meta-data/instance-id/x",
            "/x",
            "/latest/meta-data/iam/",
            "/latest/api",
            "/latest/meta-data/public-keys/1",
        ],
    )
    def test_absent(self, path: str) -> None:
        """What is not there is a 404, user data that nobody gave too."""
        assert status(path) == 404

    @given(st.text(max_size=60))
    def test_any_path(self, path: str) -> None:
        """No path does anything but answer or refuse."""
        for made in ("/" + path, "/latest/meta-data/" + path):
            try:
                assert ask(made).status == 200
            except Refusal as refused:
                assert refused.status in (401, 404, 405)


class TestTokens:
    @pytest.mark.parametrize("ttl", ["1", "21600"])
    def test_issued(self, ttl: str) -> None:
        """The answer is the token, with its life repeated in the header, and for the node how far it may go."""
        answer = ask("/latest/api/token", method="PUT", **{TTL_HEADER: ttl})
        assert answer.status == 200 and answer.headers == {TTL_HEADER: ttl, HOP_LIMIT_HEADER: "1"}
        assert ask("/latest/", v1=False, **{TOKEN_HEADER: answer.body.decode()}).status == 200

    @pytest.mark.parametrize("ttl", ["0", "21601", "-1", "1.5", "x", "", " 5", "١", "9" * 400])
    def test_life(self, ttl: str) -> None:
        """1 to 21600 seconds and nothing else."""
        assert status("/latest/api/token", method="PUT", **{TTL_HEADER: ttl}) == 400

    def test_life_missing(self) -> None:
        """Without the header there is no token."""
        assert status("/latest/api/token", method="PUT") == 400

    def test_methods(self) -> None:
        """The token is PUT, the rest is read."""
        assert status("/latest/api/token") == 405
        assert status("/latest/meta-data/", method="PUT") == 405
        assert status("/latest/meta-data/", method="POST") == 405

    def test_expired(self) -> None:
        """A token ends at its second, also where none is required."""
        made = token("60")
        assert ask("/latest/", now=NOW + 59, **{TOKEN_HEADER: made}).status == 200
        assert status("/latest/", now=NOW + 60, **{TOKEN_HEADER: made}) == 401

    def test_of_another(self) -> None:
        """A token of one VM is nothing to another, nor to one that got its number with another uuid."""
        made = token()
        assert status("/latest/", guest(8), **{TOKEN_HEADER: made}) == 401
        assert not is_token_of(replace(guest(7), uuid=guest(8).uuid), made, KEY, NOW)

    @pytest.mark.parametrize("wrong", ["", "x", "AAAA", "A" * 64, "é", "=" * 64])
    def test_wrong(self, wrong: str) -> None:
        """A wrong token is refused even where none is required."""
        assert status("/latest/meta-data/", **{TOKEN_HEADER: wrong}) == 401

    def test_required(self) -> None:
        """With version 1 switched off a token is needed."""
        assert status("/latest/meta-data/", v1=False) == 401

    @given(st.integers(0, 47), st.integers(1, 255))
    def test_altered(self, place: int, flip: int) -> None:
        """No byte of a token can be changed."""
        import base64

        content = bytearray(base64.urlsafe_b64decode(make_token(guest(), int(NOW) + 60, KEY)))
        content[place] ^= flip
        assert not is_token_of(guest(), base64.urlsafe_b64encode(bytes(content)).decode(), KEY, NOW)

    def test_other_key(self) -> None:
        """Two clusters do not believe each other's tokens."""
        assert not is_token_of(guest(), make_token(guest(), int(NOW) + 60, b"o" * 32), KEY, NOW)
