"""``wawel whoami``, ``register``, ``activate`` and ``password``."""

from __future__ import annotations

from typing import Any

import click

from clm.console.context import Console, check_params
from clm.console.options import verb
from clm.console.output import emit
from clm.console.values import ask, read_secret


@click.command()
@click.option("-o", "--output", type=click.Choice(["table", "json", "yaml"]), help="How to print the answer.")
@click.pass_obj
def whoami(console: Console, output: str | None) -> None:
    """Who I am to the server: account, roles and quotas."""
    console.options.output = output or console.options.output
    console.require_session()
    profile = console.profile()
    told = console.call("user.account.get")
    account = told if isinstance(told, dict) else {"account": told}
    emit(console, {"profile": profile.name or None, "url": profile.url, **account})


_STATES = {
    "mail_confirmation": "A mail is under way; confirm with: wawel activate TOKEN",
    "admin_confirmation": "An administrator will look at it; until then logging in is refused.",
    "completed": "The account is ready; log in with: wawel login",
}


def _say_state(console: Console, told: Any) -> None:
    state = told.get("state") if isinstance(told, dict) else None
    console.say(_STATES.get(str(state), "Done."))
    if console.options.output:
        emit(console, told)


@click.command()
@click.option("--login", "who", metavar="LOGIN", help="The name to log in by. Asked for without it.")
@click.option("--email", metavar="ADDRESS", help="Where mails go to. Likewise.")
@click.option("--first-name", default="")
@click.option("--last-name", default="")
@click.option("--organization", default="")
@click.option("--password-file", metavar="FILE", help="The password's file; - is standard input. Asked for without it.")
@click.pass_obj
def register(
    console: Console,
    who: str | None,
    email: str | None,
    first_name: str,
    last_name: str,
    organization: str,
    password_file: str | None,
) -> None:
    """Ask for an account. Say where with "wawel --url URL register", if there is no profile yet."""
    params = {
        "login": who or ask("Login", "--login"), "email": email or ask("E-mail", "--email"),
        "password": read_secret(password_file, "Password", again=True),
        "first_name": first_name, "last_name": last_name, "organization": organization,
    }  # fmt: skip
    _say_state(console, console.change("guest.user.register", params))


@click.command()
@click.argument("token")
@click.pass_obj
def activate(console: Console, token: str) -> None:
    """Confirm a registration by the token that was mailed."""
    _say_state(console, console.change("guest.user.activate", {"token": token}))


@click.group(no_args_is_help=True)
def password() -> None:
    """Change a password, or reset a forgotten one."""


@verb(password, "change", cluster=False)
@click.option("--old-file", metavar="FILE", help="The password until now; - is standard input. Asked for without it.")
@click.option("--new-file", metavar="FILE", help="The new one, likewise; both may be -, then it is the second line.")
def change(console: Console, old_file: str | None, new_file: str | None) -> None:
    """Change my password; my sessions end."""
    console.require_session()
    params = {
        "old_password": read_secret(old_file, "Old password"),
        "new_password": read_secret(new_file, "New password", again=True),
    }
    check_params(params)
    console.change("user.account.set_password", params)
    console.say("The password is changed. Log in anew: wawel login")


@verb(password, "reset", cluster=False)
@click.argument("email")
def reset(console: Console, email: str) -> None:
    """Have a token for a new password mailed."""
    console.change("guest.user.reset_password_mail", {"email": email})
    console.say("If there is such an account, a mail is under way; go on with: wawel password set TOKEN")


@verb(password, "set", cluster=False)
@click.argument("token")
@click.option("--new-file", metavar="FILE", help="The new password; - is standard input. Asked for without it.")
def set_(console: Console, token: str, new_file: str | None) -> None:
    """Set a new password by a mailed token."""
    new = read_secret(new_file, "New password", again=True)
    console.change("guest.user.set_password_token", {"token": token, "new_password": new})
    console.say("The password is set. Log in: wawel login")
