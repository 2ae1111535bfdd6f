"""Which version is the newest, what a VM has to have, and the catalogue of well-known images."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cm.daemon.settings import KNOWN
from cm.rpc.errors import ImageNeedsMore
from cm.rpc.vocabulary import Architecture, DiskBus
from cm.rules.image import check_least, newest, version_key
from cm.rules.known_image import read_catalogue

VERSIONS = ["", "rc1", "1-rc1", "1", "1.2", "1.10", "2", "12-beta", "12", "12.5", "20240717", "20240717-2", "20261128"]


def test_versions() -> None:
    """Numbers count as numbers; a beta comes before what it is a beta of."""
    assert sorted(reversed(VERSIONS), key=version_key) == VERSIONS


@given(st.lists(st.tuples(st.text("0123456789.-abrc", max_size=12), st.integers(1, 100)), max_size=8))
def test_newest(images: list[tuple[str, int]]) -> None:
    """The newest is one of them, none is newer, and of equal versions it is the last; the order does not matter."""
    found = newest(images)
    assert found == newest(list(reversed(images)))
    if not images:
        assert found is None
        return
    key = max(version_key(version) for version, _ in images)
    assert found == max(image_id for version, image_id in images if version_key(version) == key)


def test_least() -> None:
    """What is exactly enough is; what is not is told with both numbers."""
    check_least(1, least_memory_mib=512, least_disk_bytes=10, memory_mib=512, disk_bytes=10)
    with pytest.raises(ImageNeedsMore) as caught:
        check_least(1, least_memory_mib=512, least_disk_bytes=10, memory_mib=511, disk_bytes=10)
    assert caught.value.details() == {"image_id": 1, "resource": "memory_mib", "least": 512, "given": 511}
    with pytest.raises(ImageNeedsMore, match="disk_bytes of 10"):
        check_least(1, least_memory_mib=512, least_disk_bytes=10, memory_mib=512, disk_bytes=9)


def test_our_catalogue() -> None:
    """What comes along has no faults, and says of each what is needed to import and use it."""
    found, problems = read_catalogue(KNOWN.read_text())
    assert problems == [] and {"debian-12", "ubuntu-24.04", "fedora-42", "almalinux-9", "alpine-3.21"} <= set(found)
    for known in found.values():
        assert known.url.startswith("https://") and known.default_user and known.least_memory_mib
        assert known.architecture is Architecture.X86_64 and known.disk_controller is DiskBus.VIRTIO


GOOD = 'url = "http://a.example/d.qcow2"\nsums = "SUMS"\nsystem = "A"\nfamily = "a"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[a", "Expected"),
        ("a = 1", "no table"),
        ("[A]\n" + GOOD, "lower-case"),
        ("[a]\nurl = 1", "url is no str"),
        ("[a]\n", "family is missing"),
        ("[a]\n" + GOOD + 'more = ""', "more is unknown"),
        ("[a]\n" + GOOD + "least_memory_mib = true", "no int"),
        ("[a]\n" + GOOD + "least_memory_mib = -1", "below zero"),
        ("[a]\n" + GOOD + 'architecture = "z80"', "none of x86_64"),
        ("[a]\n" + GOOD + 'description = "a\\nb"', "no line"),
        ("[a]\n" + GOOD.replace("http:", "file:"), "no URL"),
        ("[a]\n" + GOOD.replace("SUMS", "ftp://a.example/x"), "sums is no URL"),
        ("[a]\n" + GOOD.replace('"a"', '"A B"'), "family is lower-case"),
        ("[a]\n" + GOOD + 'signature = "ftp://a.example/x"', "signature is neither"),
        ("[a]\n" + GOOD + 'keyring = "/a"', "no signature"),
        ("[a]\n" + GOOD + 'signature = "x"\nkeyring = "a"', "no absolute path"),
    ],
)
def test_bad_catalogue(text: str, told: str) -> None:
    """Each fault is told, with its image."""
    found, problems = read_catalogue(text)
    assert found == {} and any(told in problem for problem in problems)
