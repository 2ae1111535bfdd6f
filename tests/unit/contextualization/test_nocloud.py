"""NoCloud's documents."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from guest_builder import guest, nic
from hypothesis import given
from hypothesis import strategies as st

from contextualization.metadata.nocloud import answer_nocloud
from contextualization.wire import Refusal

HELLO = "http://169.254.169.254/hello"


def document(made: object, name: str) -> str:
    return answer_nocloud(made, name, HELLO).body.decode()  # type: ignore[arg-type]


def test_meta_data() -> None:
    """The instance id comes from the uuid; keys are there if the caller gave any."""
    assert json.loads(document(guest(), "meta-data")) == {
        "instance-id": "i-123456789abc4def8",
        "local-hostname": "web-server",
    }
    assert json.loads(document(guest(ssh_key="ssh-rsa A x"), "meta-data"))["public-keys"] == ["ssh-rsa A x"]


def test_vendor_data() -> None:
    """The guest says hello, and the caller's account gets the key."""
    text = document(guest(ssh_key="ssh-rsa A x", ssh_username="ala"), "vendor-data")
    first, _, rest = text.partition("\n")
    config = json.loads(rest)
    assert first == "#cloud-config"
    assert config["phone_home"]["url"] == HELLO
    assert config["users"][0] == "default" and config["users"][1]["name"] == "ala"
    assert "users" not in json.loads(document(guest(), "vendor-data").partition("\n")[2])


def test_vendor_data_for_root() -> None:
    """Root keeps its password and may come in by the key."""
    config = json.loads(document(guest(ssh_key="ssh-rsa A", ssh_username="root"), "vendor-data").partition("\n")[2])
    assert config["disable_root"] is False and config["users"][1]["lock_passwd"] is False


def test_user_data_empty() -> None:
    """Without user data the document is empty, not absent: cloud-init 22 would drop all three over a 404."""
    assert document(guest(), "user-data") == ""


def test_network_config() -> None:
    """Each NIC is known by its MAC address."""
    made = guest(nics=(nic(), replace(nic("10.128.0.9", 1), mac="02:58:00:00:00:07")))
    config = json.loads(document(made, "network-config"))
    assert [each["match"]["macaddress"] for each in config["ethernets"].values()] == [
        "02:57:0a:80:00:05",
        "02:58:00:00:00:07",
    ]


@pytest.mark.parametrize(
    "path",
    ["other", "", "other/meta-data", "/meta-data", "s3cr3t-of-7", "s3cr3t-of-7/", "s3cr3t-of-7/x",
     "s3cr3t-of-7/meta-data/x"],
)  # fmt: skip
def test_absent(path: str) -> None:
    """A wrong secret and a wrong document look the same."""
    with pytest.raises(Refusal) as refused:
        answer_nocloud(guest(), path, HELLO)
    assert refused.value.status == 404


def test_older_address() -> None:
    """A guest that an older version launched asks with its secret, and gets the same; strictness is not for it."""
    for name in ("meta-data", "user-data", "vendor-data", "network-config"):
        answer = answer_nocloud(guest(), f"s3cr3t-of-7/{name}", HELLO, strict=True)
        assert answer.body.decode() == document(guest(), name)


def test_strict() -> None:
    """Where EC2's metadata wants a token, these documents want cloud-init."""
    for agent in ("", "python-requests/2.28", "curl/7.88 Cloud-Init/22"):
        with pytest.raises(Refusal) as refused:
            answer_nocloud(guest(), "user-data", HELLO, agent=agent, strict=True)
        assert refused.value.status == 401
    assert answer_nocloud(guest(), "user-data", HELLO, agent="Cloud-Init/22.4.2", strict=True).status == 200


def test_no_secret() -> None:
    """A VM without a secret answers none, an empty one neither."""
    with pytest.raises(Refusal):
        answer_nocloud(guest(secret=""), "/meta-data", HELLO)


@given(st.text(), st.text(), st.text(alphabet=st.characters(exclude_categories=())))
def test_typed(name: str, username: str, key: str) -> None:
    """No name, account or key adds a directive: every document parses to the same keys."""
    made = guest(name=name, ssh_username=username, ssh_key=key)
    assert set(json.loads(document(made, "meta-data"))) <= {"instance-id", "local-hostname", "public-keys"}
    text = document(made, "vendor-data")
    assert text.count("\n") == 1
    assert set(json.loads(text.partition("\n")[2])) <= {"phone_home", "users", "disable_root"}
