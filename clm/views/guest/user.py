"""Registering, and forgotten passwords."""

from __future__ import annotations

from clm.results.user import Confirmed, MailedToken, Mailer, Registered
from clm.services import password as passwords
from clm.services import registration
from clm.services.context import AsyncCloudCall, CloudCall
from clm.services.token import check_token as check
from clm.store.user import is_taken
from clm.views.types import Email, OneTimeToken, PersonName
from cm.rpc.types import Login, Secret
from cm.rpc.view import guest_view


@guest_view(changing=True)
async def register(
    caller: AsyncCloudCall,
    login: Login,
    email: Email,
    password: Secret,
    first_name: PersonName = "",
    last_name: PersonName = "",
    organization: PersonName = "",
) -> Registered:
    """
    Ask for an account. state tells what is next: mail_confirmation, admin_confirmation, or completed.

    Whether the address is somebody's already is not told; they are mailed.
    """
    values = {
        "login": login,
        "email": email,
        "first_name": first_name,
        "last_name": last_name,
        "organization": organization,
    }
    return await registration.register(caller, password, values)


@guest_view(changing=True)
def activate(caller: CloudCall, token: OneTimeToken) -> Confirmed:
    """Confirm an address with the token that was mailed to it. state is as after register."""
    return registration.activate(caller, token)


@guest_view
def exists(caller: CloudCall, login: Login) -> bool:
    """Whether a login is in use. It may be asked a few times a minute."""
    return is_taken(caller.session, "login", login)


@guest_view
def email_exists(caller: CloudCall, email: Email) -> bool:
    """Whether an address is in use. It may be asked once a minute."""
    return is_taken(caller.session, "email", email)


@guest_view
def is_mailer_active(caller: CloudCall) -> Mailer:
    """Whether the cloud can mail, and whom to write to."""
    return {"mailer_active": bool(caller.policy.mail_from), "contact_email": caller.policy.contact_email}


@guest_view(changing=True)
async def reset_password_mail(caller: AsyncCloudCall, email: Email) -> None:
    """Mail a token for a new password to this address, if it is somebody's. The answer is the same either way."""
    passwords.ask_reset(caller, email)


@guest_view
def check_token(caller: CloudCall, token: OneTimeToken) -> MailedToken:
    """What a mailed token is good for: activation, password or email; and until when."""
    found = check(caller.session, token)
    return {"purpose": found.purpose, "expires": found.expires_at}


@guest_view(changing=True)
async def set_password_token(caller: AsyncCloudCall, token: OneTimeToken, new_password: Secret) -> None:
    """Set a new password with the token that was mailed. All sessions end."""
    await passwords.set_by_token(caller, token, new_password)
