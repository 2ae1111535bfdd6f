"""
``Console``: what a command works with. The profile, the connection, one call; options that every command takes.

Everything is found out when it is first needed: most commands need no more than an address and a token.
"""

from __future__ import annotations

import os
import re
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from clm.console.problems import LOGIN, LOGIN_HINT, Problem, problem_of, visible
from clm.console.profiles import (
    Profile,
    Session,
    check_token,
    check_url,
    read_config,
    read_sessions,
    unknown_profile,
)
from cm.rpc.errors import CloudError, ObjectNotFound, UnknownMethod

if TYPE_CHECKING:
    from cm.rpc.client import RpcClient

CLUSTER, CLOUD = "cm", "clm"
EVERY_CLUSTER = "*"


@dataclass
class Options:
    """What was said on the command line beside the command's own parameters; ``None`` and "": nothing."""

    profile: str = ""
    url: str = ""
    ca: str = ""
    cluster: str = ""
    output: str = ""
    headers: bool = True
    debug: bool = False
    timeout: float = 30.0
    dry_run: bool = False
    request_id: str = ""
    if_version: int | None = None
    yes: bool = False


class Console:
    """One for a program's life; the options are those of the command under way."""

    def __init__(self, options: Options | None = None) -> None:
        self.options = options or Options()
        self.in_shell = False
        self._made: tuple[tuple[str, ...], RpcClient] | None = None
        self._kinds: dict[str, str] = {}
        self._words: dict[tuple[str, int], str] = {}

    def begin(self, base: Options) -> None:
        """Start the next command of a shell: its options are the shell's again, the connection stays."""
        self.options = replace(base)
        self._words = {}

    def close(self) -> None:
        if self._made is not None:
            self._made[1].close()
            self._made = None

    # ------------------------------------------------------------------ who and where

    def find_profile(self) -> Profile | None:
        """
        The profile meant: by option, by environment, or the default one.

        :raises Problem: one was named that is not there.
        """
        environment = os.environ
        if self.options.url or (environment.get("WAWEL_URL") and not self.options.profile):
            url = check_url(self.options.url or environment["WAWEL_URL"])
            known = self._named(required=bool(self.options.profile))
            if known is not None and known.url == url:
                return known
            return Profile("", url, ca=self.options.ca or environment.get("WAWEL_CA", ""))
        return self._named(required=True)

    def _named(self, required: bool) -> Profile | None:
        config = read_config()
        told = self.options.profile or os.environ.get("WAWEL_PROFILE", "")
        name = told or config.default
        if not name and len(config.profiles) == 1:
            name = next(iter(config.profiles))
        found = config.profiles.get(name)
        if found is None and name and required:
            raise unknown_profile(name, config)
        return found

    def profile(self) -> Profile:
        """:raises Problem: there is none, so there is nobody to talk to."""
        found = self.find_profile()
        if found is None:
            raise Problem("There is no profile yet, and no address.", LOGIN, "Log in with: wawel login --url URL")
        check_url(found.url)
        return found

    def session(self) -> Session | None:
        """What to say of who calls."""
        profile = self.profile()
        token = os.environ.get("WAWEL_TOKEN", "")
        if token:
            return Session(profile.url, check_token(token))
        found = read_sessions().get(profile.name) if profile.name else None
        return found if found is not None and found.url == profile.url else None

    def client(self) -> RpcClient:
        """The connection, with the caller's token if there is one."""
        profile, session = self.profile(), self.session()
        key = (profile.url, session.token if session else "", profile.ca, str(self.options.timeout))
        if self._made is None or self._made[0] != key:
            self.close()
            self._made = (key, self.connect(profile, session.token if session else None))
        return self._made[1]

    def connect(self, profile: Profile, token: str | None) -> RpcClient:
        """
        A connection of its own.

        :raises Problem: the certificates to trust cannot be read.
        """
        from cm.rpc.client import RpcClient

        ca = self.options.ca or profile.ca or None
        try:
            return RpcClient(profile.url, token=token, ca=ca, timeout_s=self.options.timeout)
        except OSError as error:  # ssl's errors are such, too
            raise Problem(f"The certificates in {ca} cannot be read: {error.strerror or error}.") from None

    def kind(self) -> str:
        """Whether the server is a cloud or a lone cluster; asked once, then the profile knows."""
        profile = self.profile()
        if profile.kind:
            return profile.kind
        if profile.url not in self._kinds:
            self._kinds[profile.url] = kind_of(self.client())
        return self._kinds[profile.url]

    @property
    def is_cloud(self) -> bool:
        return self.kind() == CLOUD

    def cluster(self) -> str:
        """
        The cluster that was asked for; "" leaves it to the cloud, or there is but one.

        :raises Problem: one was asked for of a lone cluster.
        """
        told = self.options.cluster
        if told:
            if not self.is_cloud:
                raise Problem("This is a lone cluster: --cluster chooses among those of a cloud.")
            return told.removeprefix("name:")
        profile = self.find_profile()
        otherwise = os.environ.get("WAWEL_CLUSTER", "") or (profile.cluster if profile else "")
        return otherwise if otherwise and self.is_cloud else ""

    # ------------------------------------------------------------------ calls

    def call(self, method: str, params: Mapping[str, Any] | None = None, *, cluster: str = "") -> Any:
        """
        Call a method that changes nothing.

        :param cluster: which to ask, of a cloud; "" leaves it to the cloud.
        :raises CloudError: the server's refusal.
        """
        sent = {**(params or {}), **({"cluster": cluster} if cluster else {})}
        check_params(sent)
        return self.client().call(method, sent)

    def change(self, method: str, params: Mapping[str, Any] | None = None, *, cluster: str = "") -> Any:
        """
        Call a method that changes something, with the options that all such take.

        Each has a request id, given or made here: so the connection may repeat it, and so may the user.

        :raises CloudError: the server's refusal.
        :raises Problem: there was no answer; tells how to repeat the call.
        """
        options = self.options
        sent = {**(params or {}), **({"cluster": cluster} if cluster else {})}
        if options.dry_run:
            sent["dry_run"] = True
        if options.if_version is not None:
            sent["if_version"] = options.if_version
        check_params(sent)
        request_id = options.request_id or str(uuid.uuid4())
        try:
            return self.client().call(method, sent, request_id=None if options.dry_run else request_id)
        except CloudError as error:
            again = f"It may have been done. Repeat it with --request-id {request_id}, which does it once."
            raise self.problem(error, "" if options.dry_run else again) from error

    def require_session(self) -> None:
        """:raises Problem: nobody is logged in; said before anything is asked of the user."""
        if self.session() is None:
            raise Problem("You are not logged in.", LOGIN, LOGIN_HINT)

    # ------------------------------------------------------------------ people

    def note_word(self, kind: str, number: int, word: str) -> None:
        """Remember by what word the user named an object: messages tell it beside the id."""
        if word != str(number):
            self._words[kind, number] = word

    def worded(self, text: str) -> str:
        """A server's message, with the word that was typed beside the id that it tells."""
        for (kind, number), word in self._words.items():
            label = "pool|network" if kind == "pool" else kind
            beside = f"{word} ({number})".replace("\\", "\\\\")
            text = re.sub(rf"\b({label}) {number}\b(?! \()", rf"\1 {beside}", text, flags=re.IGNORECASE)
        return text

    def problem(self, error: CloudError, again: str = "") -> Problem:
        """A server's error as a problem, in the words that were typed; a wrong cluster comes with the right ones."""
        found = problem_of(error, again)
        hint = found.hint
        if isinstance(error, ObjectNotFound) and error.kind == "cluster" and self.is_cloud:
            from clm.console.scope import cluster_names

            try:
                hint = f"The clusters are: {', '.join(cluster_names(self)) or 'none yet'}."
            except CloudError:
                pass
        return Problem(self.worded(found.message), found.exit_code, hint, error)

    def say(self, text: str) -> None:
        """A word beside the output proper: not on standard output, which may be a pipe's."""
        click.echo(visible(text), err=True)

    def confirm(self, question: str) -> None:
        """
        Ask before what cannot be taken back, if there is somebody to ask.

        :raises click.Abort: they would rather not.
        """
        if self.options.yes or self.options.dry_run or not is_interactive():
            return
        click.confirm(visible(question), abort=True, err=True)


def kind_of(client: RpcClient) -> str:
    """:raises CloudError: it does not answer, or is neither."""
    try:
        client.call("guest.cloud.get_info")
    except UnknownMethod:
        client.call("guest.cluster.get_info")
        return CLUSTER
    return CLOUD


def check_params(params: Mapping[str, Any]) -> None:
    """:raises Problem: a value that cannot travel, such as a file name's stray bytes."""
    from cm.rpc.parameters import unsendable

    for name, value in params.items():
        try:
            fault = unsendable(name) or unsendable(value)
        except RecursionError:
            fault = "it is nested too deeply"
        if fault:
            raise Problem(f"{name}: {fault}.")


def is_interactive() -> bool:
    """Whether somebody sits there to be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
