"""What an administrator has all guests be told: cloud-config in a file, beside what each guest is told of its VM."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from cm.runtime.settings import SettingsError

KEY: Final = "guests.vendor_data"
BYTES_MAX: Final = 16_384  # as of user data; a guest asks for it as it boots
FIRST_LINE: Final = "#cloud-config"


def read_vendor_data(path: Path | None) -> Mapping[str, Any]:
    """
    :param path: None: there is nothing.
    :raises SettingsError: it cannot be read, or is no cloud-config that can go beside ours.
    """
    if path is None:
        return {}
    try:
        text = path.read_text()
        if len(text.encode()) > BYTES_MAX:
            raise SettingsError([f"{KEY}: {path} is larger than {BYTES_MAX} bytes"])
        if text.split("\n", 1)[0].strip() != FIRST_LINE:
            raise SettingsError([f"{KEY}: {path} does not begin with {FIRST_LINE}"])
        told = yaml.safe_load(text) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError([f"{KEY}: {path}: {' '.join(str(error).split())}"]) from None
    problems = []
    if not isinstance(told, dict) or not all(isinstance(key, str) for key in told):
        raise SettingsError([f"{KEY}: {path} is no mapping of names"])
    if "phone_home" in told:
        problems.append(f"{KEY}: {path} has phone_home, which is the cluster's own")
    if not isinstance(told.get("users", []), list):
        problems.append(f"{KEY}: {path}: users is no list")
    try:
        msgspec.json.encode(told)
    except TypeError as error:
        problems.append(f"{KEY}: {path}: {error}")
    if problems:
        raise SettingsError(problems)
    return told
