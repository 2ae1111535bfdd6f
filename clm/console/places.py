"""Where the console keeps its files: the XDG directories; and how it writes what must not be half there."""

from __future__ import annotations

import os
from pathlib import Path

from clm.console.problems import REFUSED, Problem


def config_dir() -> Path:
    return _base("XDG_CONFIG_HOME", ".config")


def cache_dir() -> Path:
    return _base("XDG_CACHE_HOME", ".cache")


def state_dir() -> Path:
    return _base("XDG_STATE_HOME", ".local/state")


def _base(variable: str, otherwise: str) -> Path:
    told = os.environ.get(variable, "")
    # The specification has relative ones ignored.
    return (Path(told) if os.path.isabs(told) else Path(os.path.expanduser("~")) / otherwise) / "wawel"


def write_private(path: Path, text: str) -> None:
    """
    Write a file that only its owner reads; whoever reads it meanwhile sees the old or the new one.

    :raises Problem: it cannot be written.
    """
    own = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        try:
            with open(file, "w", encoding="utf-8", errors="replace") as written:
                written.write(text)
            os.replace(own, path)
        except BaseException:
            own.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise Problem(f"{path} cannot be written: {error.strerror}.", REFUSED) from None


def read_text(path: Path) -> str | None:
    """
    A file's text; ``None``: there is none.

    :raises Problem: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except UnicodeDecodeError:
        raise Problem(f"{path} is no text in UTF-8.") from None
    except OSError as error:
        raise Problem(f"{path} cannot be read: {error.strerror}.") from None
