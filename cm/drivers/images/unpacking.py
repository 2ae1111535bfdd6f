"""
Unpacks standard input to standard output, in a child that ``jail.py`` has locked up:

    python -I -S unpacking.py PACKING < packed > file

Runs of zeros become holes. Exit status 0, or 2 with the reason on standard error. What is announced is never believed:
output ends where the child may write no more. Standard library only, and nothing of ours: it is run by its path.
"""

from __future__ import annotations

import bz2
import errno
import lzma
import os
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final

CHUNK: Final = 2**20
HOLE: Final = 65_536  # bytes; what is zero in whole blocks of this is not written
XZ_MEMORY: Final = 160 * 2**20  # of its dictionary; the highest preset takes 65 MiB, xz -9e with --long more
_ZEROS: Final = bytes(HOLE)
REFUSED: Final = 2


class Fault(Exception):
    """What is wrong with the input, in words: the first is a fault's kind."""


class Sparse:
    """Writes what differs from zeros."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._at = 0

    def write(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            # By whole blocks of the file, so that a hole is one whatever pieces come.
            piece = view[: HOLE - self._at % HOLE]
            if piece != _ZEROS[: len(piece)]:
                done = 0
                while done < len(piece):
                    done += os.pwrite(self._fd, piece[done:], self._at + done)
            self._at += len(piece)
            view = view[len(piece) :]

    def close(self) -> None:
        os.ftruncate(self._fd, self._at)


def _streams(file: BinaryIO, make: Callable[[], Any], padded: bool) -> Iterator[bytes]:
    """
    Streams that follow each other, as the command-line tools take them.

    :param padded: zeros may stand between and behind them.
    """
    data = file.read(CHUNK)
    while data:
        unpacker = make()
        while not unpacker.eof:
            made = unpacker.decompress(data, CHUNK)
            data = b""
            if made:
                yield made
            elif not unpacker.eof and unpacker.needs_input:
                data = file.read(CHUNK)
                if not data:
                    raise Fault("damaged it is cut off")
        data = unpacker.unused_data or file.read(CHUNK)
        while padded and data and not data.strip(b"\0"):
            data = file.read(CHUNK)
        if padded:
            data = data.lstrip(b"\0")


class _Gzip:
    """zlib's decompressor in the shape of bz2's and lzma's."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(wbits=31)

    def decompress(self, data: bytes, most: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, most)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._inner.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


def _zip(file: BinaryIO) -> Iterator[bytes]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        if len(members) != 1:
            raise Fault("archive it is a zip archive of several files")
        with archive.open(members[0]) as member:
            while chunk := member.read(CHUNK):
                yield chunk


def chunks(packing: str, file: BinaryIO) -> Iterator[bytes]:
    if packing == "gzip":
        return _streams(file, _Gzip, padded=True)
    if packing == "bzip2":
        return _streams(file, bz2.BZ2Decompressor, padded=False)
    if packing == "xz":
        return _streams(file, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY), padded=True)
    if packing == "zip":
        return _zip(file)
    raise Fault(f"other {packing} is no packing")


def unpack(packing: str, source: BinaryIO, target: int) -> None:
    out = Sparse(target)
    try:
        for chunk in chunks(packing, source):
            out.write(chunk)
        out.close()
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise Fault("too_large unpacked it is larger than it may be") from None
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Fault("full there is no room to unpack it") from None
        raise Fault(f"damaged it cannot be unpacked: {error.strerror or error}") from None
    except MemoryError:
        raise Fault("too_large unpacking it would take too much memory") from None
    except lzma.LZMAError as error:
        if "Memory usage limit" in str(error):
            raise Fault("too_large unpacking it would take too much memory") from None
        raise Fault(f"damaged it cannot be unpacked: {error}") from None
    # Of a way of packing that zipfile does not know it raises NotImplementedError, of encryption RuntimeError.
    except (EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError) as error:
        raise Fault(f"damaged it cannot be unpacked: {error}") from None


if __name__ == "__main__":
    try:
        unpack(sys.argv[1], sys.stdin.buffer, 1)
    except Fault as fault:
        sys.stderr.write(str(fault))
        sys.exit(REFUSED)
