"""``CloudManager``: the cloud manager of a ``federation.Federation``: its file, its process, its callers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cm.rpc.client import RpcClient
from cm.rpc.errors import Unavailable
from lab.config import free_port, write_toml
from lab.credentials import Account
from lab.daemon import Daemon, module_argv, run_program
from lab.processes import wait_until

DATABASE = "wawel_clm"
PORT = 8000
MODULE = "clm.daemon.main"


class CloudManager:
    """
    :param base: where its file and its state are.
    :param run_dir: of its log.
    :param port: the one to listen on if it is free; 0: any.
    :param settings: more for its file, by table.
    """

    def __init__(
        self, base: Path, run_dir: Path, database: str, port: int, settings: Mapping[str, Mapping[str, Any]]
    ) -> None:
        self.config = base / "clm.toml"
        self.state_dir = base / "clm"
        self.port = free_port(port)
        address = f"127.0.0.1:{self.port}"
        self.url = f"http://{address}"
        tables: dict[str, dict[str, Any]] = {
            "database": {"url": database},
            "listen": {"rpc": address},
            "cloud": {"name": "demo", "state_dir": str(self.state_dir), "public_url": self.url},
        }
        for table, values in settings.items():
            tables.setdefault(table, {}).update(values)
        write_toml(self.config, tables)
        self.daemon = Daemon("wawel-clm", module_argv(MODULE, "run", "--config", str(self.config)), run_dir)
        self._clients: list[RpcClient] = []
        self._tokens: dict[str, str] = {}

    def prepare(self, admin: Account) -> None:
        """Bring its database to its schema, and make its first administrator; may be repeated."""
        run_program("wawel-clm", MODULE, "migrate", config=self.config)
        run_program("wawel-clm", MODULE, "add-admin", "--login", admin.login, "--password-file", "-",
                    config=self.config, standard_input=admin.password + "\n")

    def start(self) -> None:
        """Start it, and wait until it answers; a running one stays."""
        self.daemon.start()
        client = self.client(None, timeout_s=5)

        def answers() -> bool:
            self.daemon.check()
            if not self.daemon.listens_on(self.port):                    # somebody else may answer there
                return False
            try:
                client.call("guest.cloud.get_info")
            except Unavailable:
                return False
            return True

        wait_until(answers, "the cloud manager's first answer", pause=0.05)

    def stop(self) -> None:
        self.daemon.stop()

    def kill(self) -> None:
        """Let it crash (KILL)."""
        self.daemon.kill()

    def client(self, account: Account | None, timeout_s: float = 30.0) -> RpcClient:
        """A new client with a session of the account's, or without a login; a client serves one thread."""
        token = self.token(account) if account is not None else None
        return self.keep(RpcClient(self.url, token=token, timeout_s=timeout_s))

    def token(self, account: Account) -> str:
        """A session's token; the first login serves all that follow, which would be one of too many soon."""
        if account.login not in self._tokens:
            self._tokens[account.login] = self.log_in(account)
        return self._tokens[account.login]

    def log_in(self, account: Account) -> str:
        """A new session's token."""
        with RpcClient(self.url) as guest:
            told = {"login": account.login, "password": account.password}
            token: str = guest.call("guest.session.login", told)["token"]
        return token

    def keep(self, client: RpcClient) -> RpcClient:
        """Have a client closed at the end."""
        self._clients.append(client)
        return client

    def hang_up(self) -> None:
        for client in self._clients:
            client.close()
        self._clients.clear()


class ClusterClient(RpcClient):
    """Calls one cluster through the cloud manager; parameters are given by name."""

    def __init__(self, url: str, token: str, cluster: str, timeout_s: float = 30.0) -> None:
        super().__init__(url, token=token, timeout_s=timeout_s)
        self.cluster = cluster

    def call(self, method: str, params: Any = (), **options: Any) -> Any:
        return super().call(method, {**dict(params), "cluster": self.cluster}, **options)
