"""
The daemon: five threads that survive whatever their work raises.

The caller's thread empties the spool; one long-polls the document; one converges the network, twice a second because
bridges come and go without notice; one keeps console logs within bounds; one tells the manager how all of that goes.
They share the state file, the document and what each last said of itself, nothing else. Each screen that is shown has
a thread besides (``screens.py``).
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

from node_hooks import document as documents
from node_hooks.client import Client
from node_hooks.consoles import LOOK_S as CONSOLES_S
from node_hooks.consoles import Consoles
from node_hooks.delivery import Backoff, Delivery
from node_hooks.document import CONSOLES, SETTINGS, Document, find_document, save_document, without_public
from node_hooks.errors import DocumentRefused, EndpointRefused, EndpointUnavailable, WrongUse
from node_hooks.install import installed_version
from node_hooks.metadata import LISTEN, Forwarder
from node_hooks.mounts import Mounts
from node_hooks.network import METADATA_ADDRESS, Converger, Forward, Seen
from node_hooks.problem import CONSOLES_UNBOUNDED, DOCUMENT_REFUSED, Problem
from node_hooks.qemu_hook import boot_id
from node_hooks.report import GATHER_S, Facts, Programs, Reporter, read_links
from node_hooks.screens import Screens
from node_hooks.spool import Spool
from node_hooks.state import Identity, StateFile
from node_hooks.supervisor import Supervisor
from node_hooks.tracking import RulesWatch
from node_hooks.watch import DirectoryWatch

log = logging.getLogger("wawel.node.agent")

LOOK_S = 1.0  # the spool is listed this often even when nothing woke us
SWEEP_S = 60.0
WATCH_S = 1.0  # that the end may have to wait
WATCH_PAUSE_S = 0.1  # others may change theirs without pause
CONVERGE_S = 0.5
SETTLE_S = 0.2  # from a change to its report: several come together


class Agent:
    """
    Each of its threads goes on after whatever befell one round: what it cannot answer is logged with its traceback, and
    the next round is begun anew. One that ended would leave its part of the node undone, and nobody be told.

    :param forward: replaces the metadata forwarder, for tests without a bridge.
    :param make_converger: replaces the network, for tests without one.
    """

    def __init__(
        self, state_dir: Path, identity: Identity, forward: Forward | None = None,
        make_converger: Callable[[StateFile, Forward], Converger] = Converger,
        supervisor: Supervisor | None = None,
    ) -> None:
        self.identity = identity
        self.state_dir = state_dir
        self._supervisor = supervisor or Supervisor({})
        self.state = StateFile(state_dir)
        self.spool = Spool(Path(identity.spool))
        self.spool.ensure()
        self._watch = DirectoryWatch(self.spool.directory)
        self._stopping = False
        self._ended = threading.Event()
        self._document: Document | None = None
        self._confirmed = False  # whether it is the manager's of now
        self._document_changed = threading.Event()
        self._refused: Problem | None = None  # what is wrong with the newest document
        self._unbounded: Problem | None = None
        self._trimmed = ""  # the version of the section of consoles that is in place
        self._mounts = Mounts()
        self._to_report = threading.Event()
        self._poller = self._connect()
        self._screens = Screens(self._connect)
        self._converger = make_converger(self.state, forward or self._forward)

    def run(self) -> None:
        """
        Work until ``stop``.

        :raises WrongUse: another agent works with this state directory.
        """
        lock = self._lock()
        log.info("node %d: delivering %s to %s", self.identity.node_id, self.spool.directory, self.identity.endpoint)
        self.state.note(pid=os.getpid(), started=time.time(), stopped=None, problem=None)
        kept = find_document(self.state_dir)
        self._use(None if kept is None else without_public(kept))
        workers = [
            threading.Thread(target=self._poll_documents, name="document", daemon=True),
            threading.Thread(target=self._converge, name="network", daemon=True),
            threading.Thread(target=self._watch_rules, name="rules", daemon=True),
            threading.Thread(target=self._trim, name="consoles", daemon=True),
            threading.Thread(target=self._report, name="report", daemon=True),
        ]
        for worker in workers:
            worker.start()
        self._supervisor.ready(f"node {self.identity.node_id}, delivers to {self.identity.endpoint}")
        try:
            self._deliver()
        finally:
            self._supervisor.stopping()
            self._ended.set()
            self._document_changed.set()
            self._to_report.set()
            self._poller.abort()
            self._screens.close()
            for worker in workers:
                worker.join(2.0)
            self._converger.close()
            self.state.note(pid=None, stopped=time.time())
            log.info("node %d: stopped", self.identity.node_id)
            os.close(lock)

    def stop(self) -> None:
        """From any thread or a signal handler; hence a flag and a pipe, as an Event's lock may be held right there."""
        self._stopping = True
        self._watch.wake()

    def _lock(self) -> int:
        lock = os.open(self.state_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise WrongUse(f"Another agent works with {self.state_dir}.") from None
        return lock

    def _connect(self) -> Client:
        return Client(self.identity.address(), self.identity.signer())

    def _forward(self, bridge: str, address: str = METADATA_ADDRESS) -> Forwarder:
        return Forwarder(bridge, self._connect, (address, LISTEN[1]))

    def _deliver(self) -> None:
        delivery = Delivery(self.spool, self._connect(), self.state)
        backoff = Backoff()
        trouble = ""
        swept_at = 0.0
        while not self._stopping:
            try:
                if time.monotonic() - swept_at > SWEEP_S:
                    swept_at = time.monotonic()
                    self.spool.sweep()
                more = delivery.deliver()
            except (EndpointUnavailable, EndpointRefused) as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("%s Records wait in the spool.", trouble)
                    self.state.note(problem=trouble)
                self._watch.pause(backoff.pause_s())
            except Exception:
                log.exception("the delivery failed")
                self._watch.pause(backoff.pause_s())
            else:
                backoff.reset()
                if trouble:
                    trouble = ""
                    log.info("the endpoint takes records again")
                    self.state.note(problem=None)
                if not more:
                    self._watch.wait(LOOK_S)
        delivery.client.close()

    def _poll_documents(self) -> None:
        backoff = Backoff()
        while not self._ended.is_set():
            version = self._document.version if self._document and self._confirmed else ""
            try:
                began = time.monotonic()
                content, parsed = documents.fetch_document(self._poller, version)
                if parsed.version != version:
                    save_document(self.state_dir, content)
                    self._use(parsed)
                    self._confirmed = True
                elif time.monotonic() - began < 1.0:
                    self._ended.wait(1.0)  # an endpoint that does not wait shall not be flooded
                self._refused = None
                backoff.reset()
            except DocumentRefused as error:
                if self._refused is None:
                    log.error("the document cannot be used: %s", error)
                self._refused = Problem(DOCUMENT_REFUSED, "document", f"the document cannot be used: {error}")
                self._to_report.set()
                self._ended.wait(backoff.pause_s())
            except (EndpointUnavailable, EndpointRefused) as error:
                log.debug("no document: %s", error)  # the delivery complains already
                self._ended.wait(backoff.pause_s())
            except Exception:
                if not self._ended.is_set():
                    log.exception("the document cannot be fetched")
                self._ended.wait(backoff.pause_s())

    def _use(self, document: Document | None) -> None:
        if document is None:
            return
        for problem in document.problems:
            log.error("document %s: %s", document.version, problem)
        log.info("document %s: %d networks", document.version, len(document.networks))
        installed = installed_version(Path(self.identity.hook_path))
        if document.hook_version and installed != document.hook_version:
            log.warning("the hook is version %s, the manager expects %s", installed, document.hook_version)
        self.state.note(document_version=document.version, wanted_hook_version=document.hook_version)
        self._document = document
        self._document_changed.set()
        self._screens.answer(document.calls, document.vnc_ports)

    def _converge(self) -> None:
        while not self._ended.is_set():
            self._document_changed.clear()
            if self._document is not None:
                before = self._converger.seen
                try:
                    self._converger.converge(with_endpoint(self._document, self._poller.peer))
                    if reported(before) != reported(self._converger.seen):
                        self._to_report.set()
                except Exception:
                    log.exception("the network is not converged")
            self._document_changed.wait(CONVERGE_S)

    def _watch_rules(self) -> None:
        """A change of nftables that is not ours may have taken what guests are held by: it is looked at once."""
        try:
            watch = RulesWatch()
        except OSError as error:
            log.warning("changes of nftables are found by looking alone: %s", error)
            return
        while not self._ended.is_set():
            try:
                changed = watch.wait(WATCH_S)
            except OSError:
                log.exception("changes of nftables are found by looking alone")
                break
            if changed:
                self._converger.disturb()
                self._document_changed.set()
                self._ended.wait(WATCH_PAUSE_S)
        watch.close()

    def _trim(self) -> None:
        consoles = Consoles()
        while not self._ended.wait(CONSOLES_S):
            if self._document is not None:
                self._trim_once(consoles, self._document)

    def _trim_once(self, consoles: Consoles, document: Document) -> None:
        try:
            consoles.trim(document.console_directories, document.console_bytes)
            trouble = consoles.trouble
        except Exception as error:
            log.exception("console logs are not kept within bounds")
            trouble = f"console logs are not kept within bounds: {error}"
        self._unbounded = Problem(CONSOLES_UNBOUNDED, "consoles", trouble, (CONSOLES,)) if trouble else None
        self._trimmed = document.sections.get(CONSOLES, "")

    def _report(self) -> None:
        """What changes is told at once, and what was not told because the endpoint was away."""
        reporter = Reporter(self._connect(), Programs(), f"{os.getpid()}-{time.time():.3f}")
        backoff = Backoff()
        pause_s = 0.0
        while True:
            self._to_report.wait(pause_s)
            self._to_report.clear()
            if self._ended.wait(SETTLE_S):
                break
            pause_s = GATHER_S
            try:
                if self._document is not None and reporter.report(self._facts(self._document)):
                    self.state.note(reported=time.time())
                backoff.reset()
            except (EndpointUnavailable, EndpointRefused) as error:
                log.debug("no report: %s", error)  # the delivery complains already
                pause_s = backoff.pause_s()
            except Exception:
                log.exception("the report cannot be made")
        self._mounts.close()
        reporter.close()

    def _facts(self, document: Document) -> Facts:
        applied = {CONSOLES: self._trimmed} if self._trimmed else {}
        if SETTINGS in document.sections:
            applied[SETTINGS] = document.sections[SETTINGS]
        try:
            hook_last: float | None = os.lstat(self.spool.directory / "sequence").st_mtime
        except OSError:
            hook_last = None
        return Facts(
            document=document,
            seen=self._converger.seen,
            problems=(
                *(each for each in (self._refused, self._unbounded) if each is not None), *self._mounts.problems(),
            ),
            applied=applied,
            links=read_links(),
            boot_id=boot_id(str(self.spool.directory)),
            hook_path=self.identity.hook_path,
            hook_last=hook_last,
            now=time.monotonic(),
            load=os.getloadavg(),
        )


def reported(seen: Seen | None) -> Seen | None:
    """What one round found, whenever that was."""
    return None if seen is None else replace(seen, at=0.0)


def with_endpoint(document: Document, peer: str) -> Document:
    """
    A document that keeps guests from the endpoint too: they speak to it through us alone.

    :param peer: its address; empty or IPv6: nothing to add.
    """
    try:
        endpoint = IPv4Network(peer)
    except ValueError:
        return document
    return replace(document, management=(*document.management, endpoint))
