"""A small endpoint of the node protocol, over real HTTP: checks signatures, remembers events, refuses on demand."""

import http.server
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from node_hooks import qemu_hook
from node_hooks.agent import Agent
from node_hooks.install import hook_source
from node_hooks.signature import HOP_LIMIT_HEADER, is_signed_by, parse_authorization
from node_hooks.spool import Spool
from node_hooks.state import Identity, save_identity

SYSTEM_PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
UUID = "2b6d9a0e-1111-4222-8333-0123456789ab"
XML = f"<domain type='qemu'>\n  <name>vm-1</name>\n  <uuid>{UUID}</uuid>\n  ".encode() + b" " * 2000 + b"</domain>\n"


class Endpoint:
    """``events`` holds what is stored, by boot id and number; ``received`` every number as often as it came."""

    def __init__(self, credential: str = "s3cret-_x", port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.credential = credential
        self.tokens = {"one-time"}
        self.events: dict[tuple[str, int], dict[str, Any]] = {}
        self.received: list[tuple[str, int]] = []
        self.batches: list[int] = []
        self.poison: set[int] = set()
        self.document: dict[str, Any] = {"version": "v1", "networks": [], "hook_version": qemu_hook.HOOK_VERSION}
        self.format = 1  # as managers of the release before have it; 2 comes in sections, and takes reports
        self.reports: list[dict[str, Any]] = []
        self.report_status = 200
        self.changed = threading.Condition()
        self.guests: list[tuple[str, str, str, str, dict[str, str], bytes]] = []
        self.guest_status = 200
        self.hop_limit = ""
        self.unsigned = 0
        self.delay_s = 0.0
        self.closing = False
        endpoint = self

        class Handler(_Handler):
            served = endpoint

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
            self.url = f"https://localhost:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.004,), daemon=True).start()

    def told(self) -> dict[str, Any]:
        """The document in its format."""
        if self.format == 1:
            return self.document
        document = {"networks": [], **self.document}
        homes = {"hook_version": "settings", "vnc_ports": "screens", "networks": "networks"}
        sections: dict[str, dict[str, Any]] = {
            name: {"version": f"{name}-{document['version']}", "content": {}}
            for name in ("networks", "firewall", "settings", "screens", "consoles", "nics")
        }
        for name, value in document.items():
            if name not in ("version", "console_logs", "nics"):
                sections[homes.get(name, "firewall")]["content"][name] = value
        sections["nics"]["content"] = {"nics": document.pop("nics", [])}
        sections["consoles"]["content"] = document.get("console_logs", {"directories": [], "max_bytes": 1 << 20})
        return {"format": 2, "version": document["version"], "sections": sections}

    def publish(self, **document: Any) -> None:
        with self.changed:
            self.document = self.document | document
            self.changed.notify_all()

    def close(self) -> None:
        with self.changed:
            self.closing = True
            self.changed.notify_all()
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Endpoint

    def log_message(self, *_: Any) -> None:
        pass

    def _handle(self) -> None:
        endpoint = self.served
        if endpoint.closing:
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        if parts.path == "/node/enrol":
            return self._enrol(json.loads(body))
        bridge, address = self.headers.get("X-Wawel-Bridge", ""), self.headers.get("X-Wawel-Address", "")
        claim = parse_authorization(self.headers.get("Authorization", ""))
        signed = claim and is_signed_by(claim, endpoint.credential, self.command, self.path, body, bridge, address)
        if not signed:
            endpoint.unsigned += 1
            return self._reply(401, {"error": {"slug": "unsigned", "message": "Not signed."}})
        if parts.path == "/node/events":
            return self._events(json.loads(body))
        if parts.path == "/node/document":
            query = parse_qs(parts.query, keep_blank_values=True)
            with endpoint.changed:
                endpoint.changed.wait_for(
                    lambda: endpoint.closing or endpoint.document["version"] != query["version"][0],
                    float(query["wait"][0]),
                )
                return self._reply(200, endpoint.told())
        if parts.path == "/node/report" and endpoint.format == 2:
            if endpoint.report_status == 200:
                endpoint.reports.append(json.loads(body))
            return self._reply(endpoint.report_status, {"again_s": 60})
        if parts.path.startswith("/guest/"):
            time.sleep(endpoint.delay_s)
            endpoint.guests.append((self.command, self.path, bridge, address, dict(self.headers), body))
            content = f"for {bridge} {address}".encode()
            self.send_response(endpoint.guest_status)
            self.send_header("Content-Type", "text/x-test")
            self.send_header("X-Secret-Internal", "no")
            if endpoint.hop_limit:
                self.send_header(HOP_LIMIT_HEADER, endpoint.hop_limit)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            return None
        return self._reply(404, {"error": {"slug": "not_found", "message": "No such path."}})

    do_GET = do_POST = do_PUT = _handle

    def _enrol(self, content: dict[str, Any]) -> None:
        if content["token"] not in self.served.tokens:
            return self._reply(403, {"error": {"slug": "token_unknown", "message": "The token is unknown or spent."}})
        self.served.tokens.remove(content["token"])
        return self._reply(200, {"node_id": 7, "credential": self.served.credential})

    def _events(self, content: dict[str, Any]) -> None:
        endpoint = self.served
        time.sleep(endpoint.delay_s)
        numbers = [event["sequence"] for event in content["events"]]
        assert numbers == sorted(numbers) and 0 < len(numbers) <= 100
        if bad := endpoint.poison.intersection(numbers):
            return self._reply(422, {"error": {"slug": "bad_record", "message": "No."}, "rejected": sorted(bad)})
        endpoint.batches.append(len(numbers))
        for event in content["events"]:
            assert event["boot_id"] == content["boot_id"]
            endpoint.received.append((event["boot_id"], event["sequence"]))
            endpoint.events.setdefault((event["boot_id"], event["sequence"]), event)
        return self._reply(200, {"acknowledged": numbers[-1]})

    def _reply(self, status: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            pass


def install(spool: Path, patience_s: float = 2.0) -> Path:
    """The hook as the installer writes it, beside its spool; a shorter patience makes tests of it quick."""
    spool.mkdir(parents=True, exist_ok=True)
    path = spool.parent / "qemu"
    source = hook_source(spool).replace("PATIENCE_S = 2.0", f"PATIENCE_S = {patience_s}")
    if SYSTEM_PYTHON != "/usr/bin/python3":
        source = source.replace("#!/usr/bin/python3", "#!" + SYSTEM_PYTHON, 1)
    path.write_text(source)
    path.chmod(0o755)
    return path


def enrolled(tmp_path: Path, endpoint: Endpoint, spool: Spool) -> Identity:
    """A node's place at an endpoint; its hook is where ``install`` would have put it."""
    identity = Identity(endpoint.url, None, 7, endpoint.credential, str(spool.directory), str(tmp_path / "qemu"))
    save_identity(tmp_path, identity)
    return identity


@contextmanager
def working(agent: Agent) -> Iterator[None]:
    """An agent at its work, which it has to end when it is told to."""
    thread = threading.Thread(target=agent.run)
    thread.start()
    yield
    agent.stop()
    thread.join(5)
    assert not thread.is_alive()


def run_hook(hook: Path, *arguments: str | bytes, xml: bytes = XML) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([hook, *arguments], input=xml, capture_output=True, timeout=20)


def write_records(spool: Path, count: int, boot_id: str = "boot-a", operation: str = "release") -> None:
    """Records as the hook writes them, without starting it."""
    for _ in range(count):
        number = qemu_hook.allocate(str(spool))
        fields = {
            "sequence": number, "boot_id": boot_id, "domain_uuid": UUID, "domain_name": "vm-1", "operation": operation,
            "sub_operation": "end", "extra": "-", "time": 1e9 + number, "xml_sha256": "ab" * 32,
        }
        qemu_hook.write_record(str(spool), qemu_hook.record_name(number), json.dumps(fields))
