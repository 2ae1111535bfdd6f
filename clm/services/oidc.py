"""
Logging in by an OpenID Connect provider.

``begin`` gives a URL and a state; the person comes back from the provider with the state and a code, and ``finish``
opens a session for them. What lies between the two is in the state itself, sealed: any process can finish. It is good
once, for ten minutes. Whoever called ``begin`` must see that the state that comes back is the one they were given: else
somebody could be led to finish a login that another began.

A second factor is the provider's business: users with TOTP are not asked for it here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec
from sqlalchemy.orm import Session

from clm.drivers.oidc import Provider
from clm.results.user import BegunLogin, LoggedIn, LoginProvider
from clm.rules.oidc import Person, check_redirect, person_of
from clm.rules.user import UserState
from clm.services.account import OpenedSession, insert_user, open_session, record_user, user_changed
from clm.services.context import AsyncCloudCall, CloudPolicy, OIDCProvider, Services
from clm.services.identity import identity_of
from clm.services.message import add_message
from clm.services.registration import confirm
from clm.services.seal import Unsealable, seal, unseal
from clm.store.identity import UserFacts, find_facts
from clm.store.oidc import find_email, find_subject, link_subject, use_state
from clm.store.user import is_taken
from cm.rpc.errors import (
    AccountBlocked,
    Conflict,
    NameTaken,
    NotAuthenticated,
    NotPermitted,
    ObjectNotFound,
)
from cm.runtime.logins import Claim, watched
from cm.runtime.taken import refused_by
from cm.runtime.wall import unix_seconds

STATE_S: Final = 600  # to log in at the provider's
DEADLINE_S: Final = 40.0  # of all requests to the provider that one call makes


@dataclass(eq=False)
class StateRefused(NotAuthenticated):
    code = "oidc_state_refused"
    message = "The login was not begun here, took too long, or was finished before; begin again."


@dataclass(eq=False)
class AccountWaiting(NotPermitted):
    """Told to whoever has proved that the account is theirs."""

    code = "account_waiting"
    message = "The account {login} waits for an administrator of the cloud to activate it."
    user_id: int
    login: str


@dataclass(eq=False)
class NotKnown(NotPermitted):
    """Somebody whom the provider knows and the cloud does not, where the provider's word makes no accounts."""

    code = "oidc_user_unknown"
    message = "Nobody here is known by {provider} as you are; log in by password or ask an administrator."
    provider: str


@dataclass(eq=False)
class EmailOfAnother(Conflict):
    """Told to whoever the provider says owns the address."""

    code = "oidc_email_taken"
    message = "There is an account with your address, which logs in otherwise; {provider} does not speak for it."
    provider: str


class _State(msgspec.Struct):
    """What a login was begun with."""

    provider: str
    redirect_uri: str
    nonce: str
    verifier: str
    expires: int

    def __repr__(self) -> str:
        return f"<login by {self.provider}>"


@dataclass(frozen=True)
class Outcome:
    """Of a login: a session, or an account that may not have one."""

    facts: UserFacts
    opened: OpenedSession | None = field(default=None)


def list_providers(policy: CloudPolicy) -> list[LoginProvider]:
    return [{"name": name, "title": provider.title or name} for name, provider in sorted(policy.oidc.items())]


async def begin(caller: AsyncCloudCall, provider: str, redirect_uri: str) -> BegunLogin:
    """
    :raises ObjectNotFound: there is no such provider.
    :raises InvalidParameter: people must not be sent there with a code.
    :raises ProviderUnavailable: it may be there later.
    """
    services = caller.services
    client = _client(services, provider)
    check_redirect(redirect_uri, services.policy.public_url)
    begun = _State(
        provider, redirect_uri, secrets.token_urlsafe(24), secrets.token_urlsafe(48), int(unix_seconds()) + STATE_S
    )
    state = _sealed(services.policy, begun)
    url = await services.threads.run(
        "oidc",
        client.authorization_url,
        redirect_uri,
        state,
        begun.nonce,
        begun.verifier,
        deadline_s=DEADLINE_S,
    )
    return {"url": url, "state": state}


async def finish(caller: AsyncCloudCall, state: str, code: str) -> LoggedIn:
    """
    :raises StateRefused: the state is not good, or no longer.
    :raises ProofRefused: the provider's answer proves nothing.
    :raises AccountBlocked: AccountWaiting: NotKnown: EmailOfAnother: the provider's word is good; it does not do.
    :raises ProviderUnavailable: begin again later.
    """
    with watched(caller.services.logins, "", caller.remote, "oidc") as claim:
        answer = await _finish(caller, state, code, claim)
        claim.account_id = answer["user_id"]
    return answer


async def _finish(caller: AsyncCloudCall, state: str, code: str, claim: Claim) -> LoggedIn:
    services = caller.services
    begun = _unsealed(services.policy, state)
    client = _client(services, begun.provider)
    expires_at = datetime.fromtimestamp(begun.expires, UTC)
    if not await services.database.transact(use_state, hashlib.sha256(state.encode()).hexdigest(), expires_at):
        raise StateRefused()
    proof = await services.threads.run(
        "oidc", client.redeem, code, begun.redirect_uri, begun.nonce, begun.verifier, deadline_s=DEADLINE_S
    )
    user_id = await services.database.read(find_subject, client.issuer, proof.subject)
    if user_id is None and not {"email", "preferred_username"} <= proof.claims.keys():
        proof = await services.threads.run("oidc", client.completed, proof, deadline_s=DEADLINE_S)
    outcome = await services.database.transact(
        enter, services.policy, begun.provider, person_of(client.issuer, proof.subject, proof.claims), caller.remote
    )
    claim.login = outcome.facts.login
    return _answer(services.policy, outcome)


def enter(session: Session, policy: CloudPolicy, name: str, person: Person, remote: str) -> Outcome:
    """
    Log in whom the provider means: the user it called so before; or the one with the address, if its word is enough
    for that; or a new one.

    :raises NotKnown: it makes no users. EmailOfAnother: the address is another's.
    """
    provider = policy.oidc[name]
    user_id = find_subject(session, person.issuer, person.subject)
    if user_id is None:
        try:
            user_id = _linked(session, name, provider, person)
            if user_id is None:
                if not provider.create:
                    raise NotKnown(name)
                user_id = _create(session, policy, name, person)
        except EmailOfAnother:  # unless that other is the person, who was faster in another window
            user_id = find_subject(session, person.issuer, person.subject)
            if user_id is None:
                raise
    facts = find_facts(session, user_id)
    assert facts is not None
    return Outcome(
        facts, open_session(session, policy, facts, remote, f"OpenID Connect: {name}") if facts.active else None
    )


def _linked(session: Session, name: str, provider: OIDCProvider, person: Person) -> int | None:
    """The user with the person's address, who from now on logs in by the provider."""
    user_id = find_email(session, person.email) if person.email else None
    if user_id is None:
        return None
    if not provider.link_email or not link_subject(session, user_id, person.issuer, person.subject):
        raise EmailOfAnother(name)
    user_changed(session, user_id)
    record_user(session, user_id)
    add_message(session, user_id, "info", "oidc_linked", {"provider": provider.title or name})
    return user_id


def _create(session: Session, policy: CloudPolicy, name: str, person: Person) -> int:
    """As if they had registered and confirmed: administrators hear of those who wait for them."""
    values = {
        "email": person.email,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "oidc_issuer": person.issuer,
        "oidc_subject": person.subject,
        "state": UserState.REGISTERED.value,
    }
    while True:
        try:
            with refused_by(session, {"uq_user_subject": NameTaken("user", person.login)}):
                user = insert_user(session, {**values, "login": _free_login(session, person.login)})
            break
        except NameTaken as taken:  # somebody else was faster, or the person in another window
            found = find_subject(session, person.issuer, person.subject)
            if found is not None:
                return found
            if taken.kind == "email":
                raise EmailOfAnother(name) from None
    user_id: int = user["user_id"]
    confirm(session, policy, user_id)
    return user_id


def _free_login(session: Session, wanted: str) -> str:
    """The login, or with a number behind it."""
    login, number = wanted, 1
    while is_taken(session, "login", login):
        number += 1
        login = f"{wanted[:56]}-{number}"
    return login


def _answer(policy: CloudPolicy, outcome: Outcome) -> LoggedIn:
    facts, opened = outcome.facts, outcome.opened
    if opened is None:
        if facts.state == UserState.BLOCKED:
            raise AccountBlocked()
        raise AccountWaiting(facts.id, facts.login)
    identity = identity_of(facts, policy, "token", session_id=opened.session_id)
    return {
        "token": opened.token,
        "expires": opened.expires,
        "user_id": identity.account_id,
        "login": identity.login,
        "roles": sorted(identity.roles),
    }


def _sealed(policy: CloudPolicy, begun: _State) -> str:
    return base64.urlsafe_b64encode(seal(policy, "oidc state", msgspec.json.encode(begun))).rstrip(b"=").decode()


def _unsealed(policy: CloudPolicy, state: str) -> _State:
    """
    :raises StateRefused: it is not ours, or over.
    """
    try:
        raw = base64.urlsafe_b64decode(state + "=" * (-len(state) % 4))
        begun = msgspec.json.decode(unseal(policy, "oidc state", raw), type=_State)
    except (Unsealable, binascii.Error, ValueError):
        raise StateRefused() from None
    if begun.expires < unix_seconds():
        raise StateRefused()
    return begun


def _client(services: Services, name: str) -> Provider:
    """
    :raises ObjectNotFound: the settings have no such provider (any more).
    """
    providers = services.providers
    found = services.policy.oidc.get(name)
    if found is None:
        raise ObjectNotFound("provider", name)
    if name not in providers:
        providers[name] = Provider(name, found.issuer, found.client_id, found.client_secret, found.scope)
    return providers[name]
