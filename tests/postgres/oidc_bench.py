"""A cloud manager and an OpenID Connect provider, which people log in by."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from clm.daemon.settings import MailSettings, OIDCSettings
from clm.drivers.oidc import ProofRefused
from cm.rpc.types import Secret
from support.clm import CloudBench
from support.oidc_provider import OIDCProviderServer

HERE = "http://127.0.0.1:4711/back"


def encoded(raw: bytes) -> str:
    """Bytes as JOSE writes them: base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.fixture(name="provider")
def provider_fixture() -> Iterator[OIDCProviderServer]:
    made = OIDCProviderServer()
    yield made
    made.stop()


class Login:
    """A cloud with the provider as ``test``; ``other`` is a second name for another client of it."""

    def __init__(self, bench: CloudBench, provider: OIDCProviderServer) -> None:
        self.bench = bench
        self.provider = provider

    def begin(self, name: str = "test", redirect_uri: str = HERE) -> dict[str, str]:
        begun: dict[str, str] = self.bench.call("guest.oidc.begin", [name, redirect_uri], login=None)
        return begun

    def finish(self, state: str, code: str) -> dict[str, Any]:
        done: dict[str, Any] = self.bench.call("guest.oidc.finish", [state, code], login=None)
        return done

    def log_in(self, name: str = "test") -> dict[str, Any]:
        begun = self.begin(name)
        state, code = self.provider.visit(begun["url"])
        assert state == begun["state"]
        return self.finish(state, code)

    def refused(self, reason: str = "") -> None:
        """The login is refused as no proof, no session is opened and nobody is made."""
        with pytest.raises(ProofRefused) as refused:
            self.log_in()
        assert reason in refused.value.reason
        assert self.bench.sql("SELECT count(*) FROM user_session") == 0
        assert self.bench.sql("SELECT count(*) FROM user_account WHERE oidc_subject IS NOT NULL") == 0


Make = Callable[..., Login]


@pytest.fixture(name="make")
def make_fixture(clm_url: str, tmp_path: Path, provider: OIDCProviderServer) -> Iterator[Make]:
    benches: list[CloudBench] = []

    def made(accounts: dict[str, Any] | None = None, mail: MailSettings | None = None, **settings: Any) -> Login:
        secret = Secret(provider.client_secret)
        common: dict[str, Any] = {"issuer": provider.issuer, "client_id": "wawel", **settings}
        oidc = {
            "test": OIDCSettings(client_secret=secret, title="The test", **common),
            "other": OIDCSettings(client_secret=Secret("wrong"), **common),
        }
        bench = CloudBench(
            clm_url,
            tmp_path / "clm",
            accounts={"auto_activation": True, **(accounts or {})},
            oidc=oidc,
            mail=mail or MailSettings(),
        )
        benches.append(bench)
        return Login(bench, provider)

    yield made
    for bench in benches:
        bench.stop()


@pytest.fixture(name="login")
def login_fixture(make: Make) -> Login:
    return make()
