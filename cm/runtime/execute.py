"""
Running a view that was authorized and whose arguments were validated: its transaction, ``request_id``, ``dry_run``,
audit. The wire hands every call to ``Executor.execute``.

It works on the tables ``request`` and ``audit``, which every manager's database has.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text
from sqlalchemy.orm import Session
from twisted.logger import Logger

from cm.rpc.caller import Call, Control, Identity, RawJSON
from cm.rpc.codec import encode_json
from cm.rpc.errors import NotSupported, RequestIdReused
from cm.rpc.types import Secret
from cm.rpc.view import View
from cm.runtime.database import Database
from cm.runtime.prepared import Prepared

log = Logger()

# Values that the audit row never keeps, by the name of their parameter; secrets are left out by their type.
UNTOLD = frozenset(
    {"user_data", "data", "password", "old_password", "new_password", "token", "otp", "code", "text", "xml_desc"}
)


# Where URLs carry tokens: signed ones, above all, and downloads of other managers of ours.
_QUERY: Final = re.compile(r"(?:([?#])|(?<=/downloads/)).*", re.DOTALL)


class HasSecret(Protocol):
    @property
    def secret(self) -> bytes:
        """Encrypts the answers that are kept for repeats; the same for all processes on the database."""
        ...


class Living(Protocol):
    """The living parts of a manager."""

    database: Database

    @property
    def policy(self) -> HasSecret: ...


class DryRun(Exception):
    """Carries the plan out of a transaction that is to be rolled back."""

    def __init__(self, plan: list[dict[str, Any]]) -> None:
        self.plan = plan


class Executor:
    """
    :param call: the class of what the manager's views take as their first argument; it has ``policy``. ``async_call``
        is that of asynchronous ones, which has ``services`` too.
    """

    def __init__(self, services: Living, call: type[Call], async_call: type[Call]) -> None:
        self._services = services
        self._database = services.database
        self._call = call
        self._async_call = async_call
        self._key = hashlib.sha256(b"request answers\0" + services.policy.secret).digest()

    def make_call(self, view: View, identity: Identity, control: Control) -> Call:
        """What a view is handed of who calls; an asynchronous one with the living parts."""
        policy = self._services.policy
        if view.is_async:
            return self._async_call.of(identity, control, on=view.on, policy=policy, services=self._services)
        return self._call.of(identity, control, on=view.on, policy=policy)

    async def execute(self, view: View, identity: Identity, arguments: dict[str, Any], control: Control) -> Any:
        """
        Run a view for a caller.

        :raises CloudError: the view's refusal; nothing was changed then.
        """
        if not identity.account_id and control.request_id is not None:
            control = replace(control, request_id=_guests_own(control))
        if view.outside is not None and arguments.get(view.outside[0]) is not None:
            view = replace(view, function=view.outside[1], is_async=True)
        call = self.make_call(view, identity, control)
        if view.is_async:
            if view.changing:
                return await self._change_outside(view, call, arguments)
            return await view.function(call, **arguments)
        if view.prompt:
            return await self._database.read_prompt(_read, view, call, arguments)
        if not view.changing:
            return await self._database.read(_read, view, call, arguments)
        try:
            return await self._database.transact(_change, view, call, arguments, self._key)
        except DryRun as dry:
            return {"dry_run": True, "plan": dry.plan}

    async def _change_outside(self, view: View, call: Call, arguments: dict[str, Any]) -> Any:
        """
        A change that asks the outside before its own transaction (a new node is probed, a password hashed). A repeat
        of an answered call gets the first answer; two at once are settled by what the view itself makes unique.

        :raises NotSupported: a dry run: it could not tell what the outside will say.
        """
        if call.dry_run:
            raise NotSupported(f"tell the plan of {view.name} beforehand")
        database = self._database
        digest = _digest(view.name, arguments)
        if call.request_id is not None:
            answered = await database.read(_find_answer, call, digest, self._key)
            if answered is not None:
                return RawJSON(answered)
        result = await view.function(call, **arguments)
        await database.transact(_record_outside, view.name, call, arguments, digest, result, self._key)
        return result


def _record_outside(
    session: Session, method: str, call: Call, arguments: Mapping[str, Any], digest: str, result: Any, key: bytes
) -> None:
    write_audit(session, method, call, arguments)
    if call.request_id is not None:
        session.execute(
            text(
                "INSERT INTO request (account_id, request_id, digest, answer) VALUES (:a, :r, :digest, :answer)"
                " ON CONFLICT DO NOTHING"
            ),
            {"a": call.account_id, "r": call.request_id, "digest": digest, "answer": _seal(key, result)},
        )


def _guests_own(control: Control) -> str:
    """
    A guest's request id as it is kept: guests share an account that is none, and none may have another's answer, or be
    in its way, by an id that both thought of.
    """
    return "guest-" + hashlib.sha256(f"{control.remote}\0{control.request_id}".encode()).hexdigest()


def _digest(method: str, arguments: Mapping[str, Any]) -> str:
    """Of a call: what a request id stands for."""
    return hashlib.sha256(method.encode() + b"\0" + encode_json(_digestible(arguments))).hexdigest()


def _seal(key: bytes, result: Any) -> str:
    """An answer as it is kept: encrypted, since it may hold a password or token that is told only once."""
    nonce = os.urandom(12)
    sealed = AESGCM(key).encrypt(nonce, encode_json(result), None)
    return base64.b64encode(nonce + sealed).decode()


def _unseal(key: bytes, answer: str) -> bytes:
    raw = base64.b64decode(answer)
    return AESGCM(key).decrypt(raw[:12], raw[12:], None)


def _read(session: Session, view: View, call: Call, arguments: Mapping[str, Any]) -> Any:
    call.session = session
    return view.function(call, **arguments)


def _change(session: Session, view: View, call: Call, arguments: Mapping[str, Any], key: bytes) -> Any:
    call.session = session
    call.plan.clear()  # the transaction may be repeated
    keyed = call.request_id is not None and not call.dry_run
    digest = ""
    if keyed:
        digest = _digest(view.name, arguments)
        answered = _first_answer(session, call, digest, key)
        if answered is not None:
            return RawJSON(answered)
    result = view.function(call, **arguments)
    if call.dry_run:
        raise DryRun(call.plan)
    write_audit(session, view.name, call, arguments)
    if keyed:
        session.execute(
            text("UPDATE request SET answer = :answer WHERE account_id = :a AND request_id = :r"),
            {"answer": _seal(key, result), "a": call.account_id, "r": call.request_id},
        )
    return result


def _first_answer(session: Session, call: Call, digest: str, key: bytes) -> bytes | None:
    """
    The stored answer of a repeated call; None for a first one, which is noted. A repeat that comes while the first is
    still under way waits for it on the unique index.

    :raises RequestIdReused: the id was used for something else.
    """
    first = session.execute(
        text(
            "INSERT INTO request (account_id, request_id, digest) VALUES (:a, :r, :digest) ON CONFLICT DO NOTHING"
            " RETURNING digest"
        ),
        {"a": call.account_id, "r": call.request_id, "digest": digest},
    ).first()
    return None if first is not None else _find_answer(session, call, digest, key)


def _find_answer(session: Session, call: Call, digest: str, key: bytes) -> bytes | None:
    found = session.execute(
        text("SELECT digest, answer FROM request WHERE account_id = :a AND request_id = :r"),
        {"a": call.account_id, "r": call.request_id},
    ).first()
    if found is None:
        return None
    if found.digest != digest:
        raise RequestIdReused(str(call.request_id))
    return _unseal(key, found.answer)


def _digestible(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments for the digest of a request: secrets count by their hash."""
    return {
        name: hashlib.sha256(value.reveal().encode()).hexdigest() if isinstance(value, Secret) else value
        for name, value in arguments.items()
    }


_AUDIT = Prepared(
    "write_audit",
    """
INSERT INTO audit (account_id, login, method, call_id, request_id, remote, arguments)
VALUES (:account_id, :login, :method, :call_id, :request_id, :remote, CAST(:arguments AS jsonb))
""",
)


def write_audit(session: Session, method: str, call: Call, arguments: Mapping[str, Any]) -> None:
    """One row per accepted changing call, in its own transaction."""
    kept = {
        name: _QUERY.sub(r"\1...", value, count=1) if name in ("url", "sums") and isinstance(value, str) else value
        for name, value in arguments.items()
        if name not in UNTOLD and not isinstance(value, Secret)
    }
    _AUDIT.post(
        session,
        account_id=call.account_id or None,
        login=call.identity.login,
        method=method,
        call_id=call.call_id,
        request_id=call.request_id,
        remote=call.remote,
        arguments=encode_json(kept).decode(),
    )
