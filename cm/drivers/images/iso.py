"""Small ISO 9660 volumes in memory, as guests are seeded by, with names as they are: Rock Ridge, Joliet for Windows."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import pycdlib

SECTOR: Final = 2048


def write_iso(files: Mapping[str, bytes], label: str) -> bytes:
    """
    :param files: by their paths, directories divided by a slash.
    :param label: of the volume.
    """
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label)
    try:
        short: dict[str, str] = {"": ""}  # directories as ISO 9660 itself calls them
        for number, (path, content) in enumerate(files.items()):
            above, _, name = path.rpartition("/")
            parts = above.split("/") if above else []
            for depth, part in enumerate(parts, 1):
                whole, outer = "/".join(parts[:depth]), "/".join(parts[: depth - 1])
                if whole not in short:
                    short[whole] = f"{short[outer]}/D{len(short)}"
                    iso.add_directory(short[whole], rr_name=part, joliet_path=f"/{whole}")
            iso.add_fp(
                io.BytesIO(content), len(content), f"{short[above]}/F{number}.;1", rr_name=name, joliet_path=f"/{path}"
            )
        made = io.BytesIO()
        iso.write_fp(made)
    finally:
        iso.close()
    return made.getvalue()


@contextmanager
def unnamed_file(content: bytes) -> Iterator[str]:
    """A path to the content for as long as it is needed, in no directory: nothing of it is left, whoever is killed."""
    descriptor = os.memfd_create("seed")
    try:
        with open(descriptor, "wb", closefd=False) as file:
            file.write(content)
        yield f"/proc/{os.getpid()}/fd/{descriptor}"  # so that it is the same to another process
    finally:
        os.close(descriptor)
