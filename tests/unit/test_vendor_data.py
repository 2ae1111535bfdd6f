"""The file of cloud-config that all guests are told."""

from __future__ import annotations

from pathlib import Path

import pytest

from cm.runtime.settings import SettingsError
from cm.services.agent import GuestSettings
from cm.services.vendor_data import BYTES_MAX, read_vendor_data


def test_read(tmp_path: Path) -> None:
    """It is a mapping; without a file, and of an empty one, there is nothing."""
    path = tmp_path / "vendor.yaml"
    assert read_vendor_data(None) == {}
    path.write_text("#cloud-config\n")
    assert read_vendor_data(path) == {}
    path.write_text("#cloud-config\ntimezone: Europe/Warsaw\nusers: [default, {name: help}]\n")
    assert read_vendor_data(path) == {"timezone": "Europe/Warsaw", "users": ["default", {"name": "help"}]}
    assert GuestSettings(vendor_data=path).problems() == []


@pytest.mark.parametrize(
    "text",
    ["#!/bin/sh\n", "timezone: x\n", "#cloud-config\n- a\n", "#cloud-config\n1: a\n", "#cloud-config\na: [\n",
     "#cloud-config\nphone_home: {}\n", "#cloud-config\nusers: help\n", "#cloud-config\n" + "#" * BYTES_MAX,
     "#cloud-config\na: !!python/object:os.system {}\n"],
)  # fmt: skip
def test_refused(tmp_path: Path, text: str) -> None:
    """What is no cloud-config that goes beside ours is told before anything starts."""
    path = tmp_path / "vendor.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError):
        read_vendor_data(path)
    (problem,) = GuestSettings(vendor_data=path).problems()
    assert problem.startswith("guests.vendor_data") and "\n" not in problem


def test_missing(tmp_path: Path) -> None:
    """A file that is not there is told, too."""
    assert GuestSettings(vendor_data=tmp_path / "none").problems()
