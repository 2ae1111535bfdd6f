"""Where things are: the repository, the state kept between runs, programs."""

import os
import shutil
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]

# A plain user's PATH on Debian lacks the directories of libvirtd, ip and modprobe.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", "/usr/bin:/bin"), "/usr/local/sbin", "/usr/sbin", "/sbin"])


class LabProblem(Exception):
    """The lab cannot do what was asked; the text is one sentence for the person who runs it."""


def state_dir() -> Path:
    """The directory for what is worth keeping between runs, the same as ``bin/bootstrap``'s; created if need be."""
    path = Path(os.environ.get("WAWEL_STATE") or REPOSITORY / ".state")
    path.mkdir(parents=True, exist_ok=True)
    return path


def find_program(name: str) -> str | None:
    return shutil.which(name, path=SEARCH_PATH)


def get_program(name: str) -> str:
    """:raises LabProblem: it is not installed."""
    path = find_program(name)
    if path is None:
        raise LabProblem(f"the program {name} is missing; bin/bootstrap installs it")
    return path


def environment(**extra: str) -> dict[str, str]:
    """Our environment with the long PATH and messages in English, for programs whose words are read."""
    return {**os.environ, "PATH": SEARCH_PATH, "LC_ALL": "C.UTF-8", **extra}
