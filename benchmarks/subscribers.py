"""
Many subscribers of a change feed in one process: ``benchmarks.subscribers PORT COUNT``. Its input is a token, then
names; for each name it prints, once every subscriber had an event with it or 10 s went by, when it arrived at each.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import threading
import time

DEADLINE_S = 10.0


class Subscribers:
    def __init__(self, port: int, count: int, token: str) -> None:
        self._selector = selectors.DefaultSelector()
        self._seen: dict[str, dict[int, float]] = {}
        self._changed = threading.Condition()
        self._count = count
        self.subscribed = 0
        for number in range(count):
            connection = socket.create_connection(("127.0.0.1", port), timeout=30)
            connection.sendall(
                f"GET /events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            )
            head = connection.recv(65536)
            if b" 200 " in head.split(b"\r\n", 1)[0]:
                self.subscribed += 1
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ, number)

    def read(self) -> None:
        while True:
            for key, _ in self._selector.select():
                data = key.fileobj.recv(262144)  # type: ignore[union-attr]
                now = time.time()
                if not data:
                    self._selector.unregister(key.fileobj)
                    continue
                text = data.decode(errors="replace")
                with self._changed:
                    for name in list(self._seen):
                        if f'"{name}"' in text:
                            self._seen[name].setdefault(key.data, now)
                    self._changed.notify_all()

    def expect(self, name: str) -> None:
        with self._changed:
            self._seen[name] = {}

    def arrived(self, name: str) -> list[float]:
        until = time.monotonic() + DEADLINE_S
        with self._changed:
            while len(self._seen[name]) < self._count and (left := until - time.monotonic()) > 0:
                self._changed.wait(left)
            return sorted(self._seen.pop(name).values())


def main() -> None:
    port, count = int(sys.argv[1]), int(sys.argv[2])
    subscribers = Subscribers(port, count, sys.stdin.readline().strip())
    # An event may be here before the call that made it is answered.
    for number in range(1000):
        subscribers.expect(f"change-{number}")
    threading.Thread(target=subscribers.read, daemon=True).start()
    print(json.dumps({"subscribed": subscribers.subscribed}), flush=True)
    for line in sys.stdin:
        print(json.dumps({"arrived": subscribers.arrived(line.strip())}), flush=True)


if __name__ == "__main__":
    main()
