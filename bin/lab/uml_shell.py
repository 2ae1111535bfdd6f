"""
Programs in a User Mode Linux, asked for from outside: what ``nsenter`` is to hosts of namespaces.

A script of two ends that imports nothing of ours. ``serve ADDRESS`` runs inside, as root, and asks nobody who he is;
``ask ADDRESS PROGRAM ...`` is outside: input, output, environment and exit status are the program's. The program is
killed when the asking end goes, in whatever way.

A connection carries frames: a letter, a length of four bytes, so many bytes. To the program: J what is to be run
(JSON), I input, and an empty one at its end. From it: O output, E errors, S its exit status.
"""

import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from typing import IO, Any

PORT = 16510
CHUNK = 65536


def send(connection: socket.socket, lock: Any, letter: bytes, data: bytes) -> None:
    with lock:
        connection.sendall(letter + struct.pack("!I", len(data)) + data)


def receive(stream: IO[bytes]) -> tuple[bytes, bytes] | None:
    """The next frame; None: the other end has gone."""
    head = stream.read(5)
    if len(head) < 5:
        return None
    (length,) = struct.unpack("!I", head[1:])
    data = stream.read(length)
    return (head[:1], data) if len(data) == length else None


def serve(address: str) -> None:
    listener = socket.create_server((address, PORT), backlog=64)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=run, args=(connection,), daemon=True).start()


def run(connection: socket.socket) -> None:
    lock = threading.Lock()
    stream = connection.makefile("rb")
    process: subprocess.Popen[bytes] | None = None
    try:
        first = receive(stream)
        if first is None:
            return
        asked = json.loads(first[1])
        try:
            process = subprocess.Popen(asked["argv"], env=asked["environment"], cwd="/", stdin=subprocess.PIPE,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        except OSError as error:
            send(connection, lock, b"E", f"{error}\n".encode())
            send(connection, lock, b"S", b"127")
            return
        assert process.stdout is not None and process.stderr is not None
        threading.Thread(target=feed, args=(stream, process), daemon=True).start()
        pumps = [threading.Thread(target=pump, args=(source, connection, lock, letter))
                 for source, letter in ((process.stdout, b"O"), (process.stderr, b"E"))]
        for each in pumps:
            each.start()
        status = process.wait()
        for each in pumps:
            each.join(2)                                                 # what it left running may hold its output
        send(connection, lock, b"S", str(status).encode())
    except OSError:
        pass                                                             # the other end has gone
    finally:
        if process is not None:
            kill(process)
        connection.close()


def feed(stream: IO[bytes], process: subprocess.Popen[bytes]) -> None:
    """Input, until its end; then until the other end goes."""
    assert process.stdin is not None
    while (frame := receive(stream)) is not None:
        try:
            process.stdin.write(frame[1])
            process.stdin.flush()
            if not frame[1]:
                process.stdin.close()
        except (OSError, ValueError):
            pass                                                         # it reads no more
    kill(process)


def kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def pump(source: IO[bytes], connection: socket.socket, lock: Any, letter: bytes) -> None:
    while data := os.read(source.fileno(), CHUNK):
        try:
            send(connection, lock, letter, data)
        except OSError:
            return


def ask(address: str, *argv: str) -> None:
    connection = socket.create_connection((address, PORT), timeout=20)
    connection.settimeout(None)
    lock = threading.Lock()
    wanted = {"argv": argv, "environment": dict(os.environ)}
    send(connection, lock, b"J", json.dumps(wanted).encode())

    def forward() -> None:
        while data := os.read(0, CHUNK):
            send(connection, lock, b"I", data)
        send(connection, lock, b"I", b"")

    threading.Thread(target=forward, daemon=True).start()
    stream = connection.makefile("rb")
    while (frame := receive(stream)) is not None:
        letter, data = frame
        if letter == b"S":
            status = int(data)
            sys.stdout.flush()
            os._exit(status if status >= 0 else 128 - status)
        os.write(1 if letter == b"O" else 2, data)
    os._exit(255)


if __name__ == "__main__":
    {"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
