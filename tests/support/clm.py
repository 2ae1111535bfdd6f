"""A whole cloud manager in this process: the production code, a real reactor in a thread, a real database."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sqlalchemy import text

from clm.daemon.app import CloudManager
from clm.daemon.settings import AccountSettings, CloudSettings, DatabaseSettings, ListenSettings, Settings
from clm.services.identity import identity_of
from clm.store.identity import find_by_login
from cm.rpc.caller import ANONYMOUS, LocalCaller
from support.cloud import reactor, run


class CloudBench:
    """
    A cloud manager with three users: ``admin`` (of the cloud), ``ann`` and ``bob``.

    :param tables: further tables of the settings, by name: ``mail=MailSettings(...)``.
    """

    def __init__(self, url: str, state_dir: Path, *, accounts: dict[str, Any] | None = None, **tables: Any) -> None:
        self.settings = Settings(
            database=DatabaseSettings(url=url),
            listen=tables.pop("listen", ListenSettings(rpc="")),
            cloud=tables.pop("cloud", CloudSettings(state_dir=state_dir, contact_email="help@example.org")),
            accounts=AccountSettings(**(accounts or {})),
            **tables,
        )
        self.manager: Any = None
        self.start()
        self.ids: dict[str, int] = {}
        for login in ("admin", "ann", "bob"):
            self.user(login, is_cloud_admin=login == "admin")

    def start(self) -> None:
        async def go() -> CloudManager:
            manager = CloudManager(reactor, self.settings)
            await manager.start()
            return manager

        self.manager = run(go)

    def stop(self) -> None:
        if self.manager is not None:
            manager, self.manager = self.manager, None
            run(manager.stop)

    def user(self, login: str, *, state: str = "active", is_cloud_admin: bool = False) -> int:
        """A user's row, as registration and activation would have made it; without a password."""
        self.ids[login] = self.sql(
            "INSERT INTO user_account (login, email, first_name, last_name, state, is_cloud_admin)"
            " VALUES (:login, :email, :first, 'Test', :state, :admin) RETURNING id",
            login=login,
            email=f"{login}@example.org",
            first=login.capitalize(),
            state=state,
            admin=is_cloud_admin,
        )
        # Clusters block whom the cloud does not vouch for.
        self.sql(
            "INSERT INTO cluster_account (cluster_id, user_id) SELECT id, :u FROM cluster WHERE deleted_at IS NULL",
            u=self.ids[login],
        )
        return self.ids[login]

    def sql(self, statement: str, **values: Any) -> Any:
        """Run a statement in a transaction of its own; the first value of its first row, if it has rows."""
        with self.manager.database.engine.begin() as connection:
            result = connection.execute(text(statement), values)
            return result.scalar() if result.returns_rows else None

    def identity(self, login: str | None) -> Any:
        """Who the authenticator would find; read anew for each call."""
        if login is None:
            return ANONYMOUS
        facts = self.manager.database.read_now(find_by_login, login)
        return identity_of(facts, self.manager.policy)

    def call(self, method: str, params: Any = (), *, login: str | None = "ann", request_id: str | None = None) -> Any:
        """Call a view as the wire would, for a user; None for a guest."""
        caller = LocalCaller(self.manager.registry, self.manager.executor.execute, self.identity(login))
        return run(lambda: caller.call(method, params, request_id=request_id))
