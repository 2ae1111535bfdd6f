"""``PrivatePostgres``: a PostgreSQL cluster of our own, reached by a UNIX socket alone."""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from lab.keeper import Keeper, born, end, record
from lab.places import LabProblem, environment, find_program
from lab.processes import children_of, claim, tail, unprivileged_account, wait_until

ROLE = "wawel"

# For machines of two cores and some GiB; the operator's own PostgreSQL is the operator's to tune.
SETTINGS = {
    "listen_addresses": "", "unix_socket_permissions": "0700", "max_connections": "200", "shared_buffers": "128MB",
    "wal_level": "minimal", "max_wal_senders": "0", "log_min_messages": "warning", "log_line_prefix": "%m [%p] %d ",
    "timezone": "UTC", "log_timezone": "UTC",
}
CARELESS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "256MB"}


class PrivatePostgres:
    """
    A cluster in a directory: made at the first start, kept afterwards, its superuser ``wawel``. Local users other than
    ours cannot enter its socket's directory, so it trusts whoever can. A context manager, started on entry; the server
    ends with the process that started it, in whatever way that ends.
    """

    def __init__(self, base: Path, *, durable: bool = True):
        """
        :param base: its directory. As root the server runs under the account ``postgres`` (or ``nobody``); where that
            cannot enter the directory, as below ``/root``, one in ``/var/tmp`` named after it is used instead.
        :param durable: False leaves out fsync and the like, for tests: a crash of the *machine* may then cost the data.
        """
        self._account = unprivileged_account("postgres") if os.geteuid() == 0 else None
        self._bin = find_binaries()
        self.base = self._reachable(Path(base).resolve())
        self.data_dir = self.base / "data"
        self.log = self.base / "postgres.log"
        name = hashlib.sha256(str(self.base).encode()).hexdigest()[:12]
        short = len(str(self.base)) < 80                                 # the socket's path has room for 107 bytes
        self.socket_dir = self.base / "socket" if short else Path(f"/tmp/wawel-postgres-{name}")
        self.durable = durable
        self.settings: dict[str, str] = {}                               # more of the server's, from its next start on
        self._process: subprocess.Popen[bytes] | None = None
        self._keeper: Keeper | None = None
        self._lock = -1

    def _reachable(self, base: Path) -> Path:
        existing = next(path for path in [base, *base.parents] if path.exists())
        if self._account is None or self._as_account(["test", "-x", str(existing)], check=False).returncode == 0:
            return base
        return Path("/var/tmp") / f"wawel-postgres-{hashlib.sha256(str(base).encode()).hexdigest()[:12]}"

    def _account_options(self) -> dict[str, Any]:
        if self._account is None:
            return {}
        return {"user": self._account.pw_uid, "group": self._account.pw_gid, "extra_groups": []}

    def _as_account(self, argv: list[str], check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, cwd="/", stdin=subprocess.DEVNULL,
                              env=environment(), **self._account_options())
        if check and done.returncode:
            raise LabProblem(f"{Path(argv[0]).name} failed: {done.stderr.strip()[-600:]}")
        return done

    def _own(self, path: Path) -> None:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        owners = {os.geteuid()} | ({self._account.pw_uid} if self._account else set())
        if path.is_symlink() or path.stat().st_uid not in owners:
            raise LabProblem(f"{path} belongs to somebody else")
        if self._account is not None:
            os.chown(path, self._account.pw_uid, self._account.pw_gid)
        path.chmod(0o700)

    def start(self) -> PrivatePostgres:
        """
        Start the server, after a crash with its recovery; the first time make the cluster. A running one stays.

        :raises LabProblem: the directory is in use by another process of ours, or the server did not start.
        """
        if self.running:
            return self
        if self._lock < 0:
            self._claim()
        if not (self.data_dir / "PG_VERSION").exists():
            self._create()
        arguments = [f"{self._bin}/postgres", "-D", str(self.data_dir)]
        settings = {**SETTINGS, "unix_socket_directories": str(self.socket_dir)}
        for name, value in {**settings, **({} if self.durable else CARELESS), **self.settings}.items():
            arguments += ["-c", f"{name}={value}"]
        with self.log.open("ab") as output:
            process = self._process = subprocess.Popen(
                arguments, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", start_new_session=True,
                env=environment(), **self._account_options(),
            )
        record(self.base / "server.pid", process.pid, [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
        wait_until(lambda: self._ready(process.pid) or process.poll() is not None, "PostgreSQL")
        if process.poll() is not None:
            raise LabProblem(f"PostgreSQL did not start: {tail(self.log)}")
        return self

    def _claim(self) -> None:
        self._own(self.base)
        self._own(self.socket_dir)
        lock = self._lock = claim(self.base / "lock", f"another process uses the PostgreSQL in {self.base}")
        self._keeper = Keeper(self.base, locks=[lock])
        atexit.register(self.close)
        # Whoever wrote it is dead, and so is its keeper, for we hold the lock; the server may have been left over.
        try:
            left = int((self.data_dir / "postmaster.pid").read_text().split()[0])
            arguments = Path(f"/proc/{left}/cmdline").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            return
        if str(self.data_dir).encode() in arguments:
            end(left, born(left), [signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])

    def _create(self) -> None:
        # Made aside and renamed, so that an interrupted initdb is not taken for a cluster.
        new = self.base / "data.new"
        self._as_account(["rm", "-rf", str(new)])
        self._as_account([f"{self._bin}/initdb", "-D", str(new), "-U", ROLE, "-E", "UTF8", "--locale=C.UTF-8",
                          "--auth-local=trust", "--auth-host=reject", "--no-sync", "--no-instructions"])
        (new / "pg_hba.conf").write_text("local all all trust\n")
        new.rename(self.data_dir)

    def _ready(self, pid: int) -> bool:
        # The way of pg_ctl: the server writes its state into the eighth line; a crashed one left another pid there.
        try:
            lines = (self.data_dir / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0].strip() == str(pid) and lines[7].strip() == "ready"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.running else None

    def stop(self) -> None:
        """Shut down "fast": open sessions are cut, all is written."""
        self._end([signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])

    def kill(self) -> None:
        """Crash: the postmaster and its children get SIGKILL; the next ``start`` recovers from the log."""
        self._end([signal.SIGKILL])

    def _end(self, signals: list[int]) -> None:
        if self._process is not None and self.running:
            # A new server refuses to start while a child of the old still holds the shared memory.
            children = {child: born(child) for child in children_of(self._process.pid)}
            end(self._process.pid, born(self._process.pid), signals, patience=20)
            for child, started in children.items():
                end(child, started, [signal.SIGKILL])
        if self._process is not None:
            self._process.wait()
            self._process = None
        (self.base / "server.pid").unlink(missing_ok=True)

    def restart(self) -> None:
        self.stop()
        self.start()

    def url(self, name: str) -> str:
        """The database's URL for SQLAlchemy."""
        return f"postgresql+psycopg2://{ROLE}@/{name}?host={self.socket_dir}"

    def psql(self, statement: str, database: str = "postgres") -> str:
        """
        Run SQL, and give what it prints: rows as lines, columns by ``|``.

        :raises LabProblem: with PostgreSQL's message.
        """
        argv = [f"{self._bin}/psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", str(self.socket_dir),
                "-U", ROLE, "-d", database, "-c", statement]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
                              env=environment(PGCONNECT_TIMEOUT="10"))
        if done.returncode:
            raise LabProblem(f"PostgreSQL: {done.stderr.strip()}")
        return done.stdout.strip()

    def create_database(self, name: str, template: str | None = None) -> str:
        """
        Make a database, as a copy of the template if one is given (nobody may be connected to that meanwhile).

        :return: its URL.
        """
        # Its files are copied: through the log, as PostgreSQL prefers from 15 on, a copy costs five times the CPU.
        clause = f" TEMPLATE {quoted(template)}{self._by_files()}" if template else ""
        self._execute(f"CREATE DATABASE {quoted(name)}{clause}")
        return self.url(name)

    def _by_files(self) -> str:
        return " STRATEGY file_copy" if int((self.data_dir / "PG_VERSION").read_text()) >= 15 else ""

    def _execute(self, statement: str) -> None:
        """A statement that gives nothing and stands in no transaction, by no program: tests ask often."""
        import psycopg2  # cleaning up has to work where nothing is installed any more

        try:
            connection = psycopg2.connect(host=str(self.socket_dir), user=ROLE, dbname="postgres", connect_timeout=10)
            try:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute(statement)
            finally:
                connection.close()
        except psycopg2.Error as error:
            raise LabProblem(f"PostgreSQL: {str(error).strip()}") from error

    def ensure_database(self, name: str) -> str:
        """Make a database unless it is there; its URL."""
        if not self.psql(f"SELECT 1 FROM pg_database WHERE datname = '{name}'"):
            self.create_database(name)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected; one that is absent is not an error."""
        self._execute(f"DROP DATABASE IF EXISTS {quoted(name)} WITH (FORCE)")

    def close(self) -> None:
        """Stop the server and release the directory, which stays; may be repeated, and ``start`` may follow."""
        atexit.unregister(self.close)
        self._end([signal.SIGINT, signal.SIGQUIT, signal.SIGKILL])
        if self._keeper is not None:
            self._keeper.close()
            self._keeper = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
            if self.socket_dir.parent != self.base:
                shutil.rmtree(self.socket_dir, ignore_errors=True)

    def __enter__(self) -> PrivatePostgres:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()


def quoted(name: str) -> str:
    """An SQL identifier; narrow, because the name stands in the URL as well."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,62}", name):
        raise LabProblem(f"'{name}' is no name for a database here: letters, digits and _, at most 63")
    return f'"{name}"'


def find_binaries() -> Path:
    """The directory of the newest server installed; Debian keeps it off the PATH, one per version."""
    installed = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]
    found = [path for path in installed if (path / "psql").exists()]
    if found:
        return max(found, key=lambda path: [int(number) for number in re.findall(r"\d+", path.parent.name)])
    program = find_program("initdb")
    if program is None:
        raise LabProblem("PostgreSQL's server programs are missing; bin/bootstrap base installs them")
    return Path(program).resolve().parent
