"""The `wawel-node` command."""

import argparse
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from node_hooks import qemu_hook
from node_hooks.agent import Agent
from node_hooks.enrol import enrol
from node_hooks.errors import NodeError, WrongUse
from node_hooks.state import AGENT_VERSION, DEFAULT_STATE_DIR, get_identity
from node_hooks.status import describe, get_status
from node_hooks.supervisor import Supervisor

_EPILOGUE = "Exit status: 0 done or healthy, 1 failed or not healthy, 2 wrong usage."


def main(arguments: Sequence[str] | None = None) -> int:
    """:return: the exit status; wrong usage leaves by argparse's ``SystemExit(2)``."""
    options = _parser().parse_args(arguments)
    try:
        status: int = options.command(options)
        return status
    except (NodeError, OSError) as error:
        print(f"wawel-node: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="wawel-node",
        epilog=_EPILOGUE,
        description="The agent of a node: delivers what libvirt's hook records, forwards the guests' metadata requests "
        "and keeps the anti-spoofing rules.",
    )
    parser.add_argument("--version", action="version", version=f"agent {AGENT_VERSION}, hook {qemu_hook.HOOK_VERSION}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    command = commands.add_parser(
        "enrol",
        epilog=_EPILOGUE,
        help="make this machine a node",
        description="Spend a one-time token for this node's credential, make the spool and install the hook. Safe to "
        "repeat: a node that the endpoint still knows keeps its credential and does not spend the token.",
    )
    command.add_argument("--endpoint", required=True, metavar="URL", help="the contextualization endpoint, https://...")
    command.add_argument("--token-file", required=True, metavar="FILE", help="holds the one-time token; - is stdin")
    command.add_argument("--ca", metavar="FILE", help="trust this CA instead of the system's")
    _add_state_dir(command)
    command.add_argument(
        "--spool",
        type=Path,
        default=Path(qemu_hook.SPOOL),
        metavar="DIR",
        help="where the hook writes its records (default: %(default)s)",
    )
    command.add_argument(
        "--hooks-dir",
        type=Path,
        default=Path("/etc/libvirt/hooks"),
        metavar="DIR",
        help="where libvirt looks for hooks (default: %(default)s)",
    )
    command.add_argument(
        "--boot-id-file",
        type=Path,
        metavar="FILE",
        help="take the boot id from this file; for simulated hosts, which share one kernel",
    )
    command.set_defaults(command=_enrol)

    command = commands.add_parser(
        "run",
        epilog=_EPILOGUE,
        help="run the agent in the foreground",
        description="Run the agent until SIGTERM or SIGINT. It logs to stderr and is safe to kill at any moment.",
    )
    _add_state_dir(command)
    command.add_argument(
        "--log-level", default="info", choices=["debug", "info", "warning", "error"], help="default: %(default)s"
    )
    command.set_defaults(command=_run)

    command = commands.add_parser(
        "status",
        epilog=_EPILOGUE,
        help="show how the node is",
        description="Show enrolment, endpoint, spool, document, networks and hook versions.",
    )
    _add_state_dir(command)
    command.add_argument("--json", action="store_true", help="for programs")
    command.set_defaults(command=_status)
    return parser


def _add_state_dir(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--state-dir",
        type=Path,
        default=DEFAULT_STATE_DIR,
        metavar="DIR",
        help="the agent's own files (default: %(default)s)",
    )


def _enrol(options: argparse.Namespace) -> int:
    if options.token_file == "-":
        token = sys.stdin.read(4096).strip()
    else:
        try:
            token = Path(options.token_file).read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise WrongUse(f"The token file {options.token_file} cannot be read.") from None
    if options.endpoint.startswith("http:"):
        print("wawel-node: warning: without TLS the credential crosses the network in clear.", file=sys.stderr)
    done = enrol(
        options.endpoint, token, options.ca, options.state_dir, options.spool, options.hooks_dir, options.boot_id_file
    )
    print(f"This is node {done.identity.node_id}" + (", as before; the token is not spent." if done.repeated else "."))
    print(f"The hook stands at {done.installation.path}.")
    if done.installation.beside_foreign:
        print("Another qemu hook is there and stays; libvirt runs it before ours.")
    if done.installation.needs_reload:
        print("libvirtd knows of no hook yet: reload it (SIGHUP) or restart it before VMs are started.")
    return 0


class _Formatter(logging.Formatter):
    """Each line, those of tracebacks too, begins with its priority where journald reads it: sd-daemon(3)."""

    PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))

    def __init__(self, priorities: bool) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._priorities = priorities

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if not self._priorities:
            return text
        prefix = next((number for level, number in self.PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{prefix}>{line}" for line in text.split("\n"))


def _is_journal() -> bool:
    """Whether standard error goes to journald: systemd.exec(5), JOURNAL_STREAM."""
    found = os.fstat(sys.stderr.fileno())
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _run(options: argparse.Namespace) -> int:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(_is_journal()))
    logging.basicConfig(handlers=[handler], level=options.log_level.upper())
    agent = Agent(options.state_dir, get_identity(options.state_dir), supervisor=Supervisor())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: agent.stop())
    agent.run()
    return 0


def _status(options: argparse.Namespace) -> int:
    status = get_status(options.state_dir)
    print(json.dumps(status.to_json(), indent=1) if options.json else describe(status))
    return 0 if status.healthy else 1


if __name__ == "__main__":
    sys.exit(main())
