"""The caller's second factor."""

from __future__ import annotations

from clm.results.user import BegunFactor, RecoveryCodes, SecondFactor
from clm.services import totp
from clm.services.context import AsyncCloudCall, CloudCall
from clm.views.guest.session import OTP
from cm.rpc.types import Secret
from cm.rpc.view import user_view


@user_view
def get(caller: CloudCall) -> SecondFactor:
    """Whether it is on, and how many recovery codes are left."""
    return totp.show(caller.session, caller.user_id)


@user_view(changing=True)
def begin(caller: CloudCall) -> BegunFactor:
    """A secret for an authenticator, told this once, also as the uri of a QR code. It counts once it is confirmed."""
    return totp.begin(caller)


@user_view(changing=True)
async def confirm(caller: AsyncCloudCall, otp: OTP) -> RecoveryCodes:
    """Turn the second factor on with a code of the authenticator. The answer holds recovery_codes, told this once."""
    return await totp.confirm(caller, otp)


@user_view(changing=True)
async def disable(caller: AsyncCloudCall, otp: OTP, password: Secret) -> None:
    """Turn the second factor off, with a code (or a recovery code) and the password."""
    await totp.disable(caller, otp, password)
