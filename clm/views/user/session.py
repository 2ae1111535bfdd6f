"""Logins of the caller's that are open."""

from __future__ import annotations

from clm.results.user import Session
from clm.services import account as service
from clm.services.context import CloudCall, CloudIdentity
from clm.store.session import list_sessions
from cm.rpc.types import Id
from cm.rpc.view import user_view


@user_view
def get_list(caller: CloudCall) -> list[Session]:
    """Open sessions, the one used last first; current tells which of them this call came with."""
    current = _current(caller)
    return [{**row, "current": row["session_id"] == current} for row in list_sessions(caller.session, caller.user_id)]


@user_view(changing=True)
def delete(caller: CloudCall, session_id: Id) -> None:
    """End a session."""
    service.close_session(caller, session_id)


@user_view(changing=True)
def logout(caller: CloudCall) -> None:
    """End the session that this call came with; with another credential there is nothing to end."""
    current = _current(caller)
    if current is not None:
        service.close_session(caller, current)


def _current(caller: CloudCall) -> int | None:
    return caller.identity.session_id if isinstance(caller.identity, CloudIdentity) else None
