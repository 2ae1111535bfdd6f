"""Which way people go from registration on, and what a password must be like."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cm.rpc.errors import Conflict

PASSWORD_MIN: Final = 8  # characters: NIST SP 800-63B, 5.1.1.2


class UserState(StrEnum):
    REGISTERED = "registered"  # their address is not confirmed
    CONFIRMED = "confirmed"  # an administrator has still to activate them
    ACTIVE = "active"
    BLOCKED = "blocked"
    DELETED = "deleted"


class UserEvent(StrEnum):
    CONFIRM = "confirm"  # the mailed token came back
    ACTIVATE = "activate"  # by an administrator, or by themselves where the settings allow it
    BLOCK = "block"
    UNBLOCK = "unblock"
    DELETE = "delete"


_S, _E = UserState, UserEvent

NEXT: Final[dict[tuple[UserState, UserEvent], UserState]] = {
    (_S.REGISTERED, _E.CONFIRM): _S.CONFIRMED,
    (_S.REGISTERED, _E.ACTIVATE): _S.ACTIVE,
    (_S.REGISTERED, _E.BLOCK): _S.BLOCKED,
    (_S.REGISTERED, _E.DELETE): _S.DELETED,
    (_S.CONFIRMED, _E.ACTIVATE): _S.ACTIVE,
    (_S.CONFIRMED, _E.BLOCK): _S.BLOCKED,
    (_S.CONFIRMED, _E.DELETE): _S.DELETED,
    (_S.ACTIVE, _E.BLOCK): _S.BLOCKED,
    (_S.ACTIVE, _E.DELETE): _S.DELETED,
    (_S.BLOCKED, _E.UNBLOCK): _S.ACTIVE,
    (_S.BLOCKED, _E.DELETE): _S.DELETED,
}


@dataclass(eq=False)
class WrongUserState(Conflict):
    code = "user_wrong_state"
    message = "User {user_id} is {state}; one cannot {event} them."
    user_id: int
    state: str
    event: str


def next_state(user_id: int, state: str, event: UserEvent) -> UserState:
    """
    :param user_id: for the refusal.
    :raises WrongUserState: nothing leads from here by this.
    """
    found = NEXT.get((UserState(state), event))
    if found is None:
        raise WrongUserState(user_id, state, event.value)
    return found


def first_state(mailer: bool, auto_activation: bool) -> UserState:
    """
    Where somebody who registers begins: their address is confirmed first, if there is mail to do it; an administrator
    activates them, unless the settings do without.
    """
    if mailer:
        return UserState.REGISTERED
    return UserState.ACTIVE if auto_activation else UserState.CONFIRMED


# The ones seen most often in breaches, of those that are long enough to be tried here at all. After the lists that the
# British NCSC and others publish; what is meant is the first guesses of a slow attack, not completeness.
COMMON: Final = frozenset(
    """
    12345678 123456789 1234567890 12345678910 123123123 123321123 11111111 111111111 00000000 87654321 987654321
    0987654321 88888888 99999999 12341234 11223344 1122334455 147258369 123456123 12344321 55555555 66666666 77777777
    password password1 password12 password123 password1234 password! passw0rd p@ssword p@ssw0rd pa55word passpass
    qwertyui qwertyuiop qwerty12 qwerty123 qwerty1234 qwerty12345 1qaz2wsx 1q2w3e4r 1q2w3e4r5t q1w2e3r4 qazwsxedc
    1qaz2wsx3edc zaq12wsx zaq1zaq1 !qaz2wsx asdfghjk asdfghjkl asdfasdf zxcvbnm1 zxcvbnm123 qweasdzxc asdf1234 qwer1234
    abcd1234 abc12345 abcdefgh abcdefg1 a1b2c3d4 aa123456 a1234567 a12345678 abc123456 1a2b3c4d
    iloveyou iloveyou1 sunshine princess football baseball basketball superman superman1 batman123 trustno1 starwars
    michelle jennifer computer corvette mercedes maverick midnight whatever welcome1 welcome123 welcome! letmein1
    letmein123 changeme changeme1 changeme123 default1 admin123 admin1234 administrator adminadmin root1234 rootroot
    test1234 testtest testing1 testing123 temp1234 secret123 master123 monkey123 dragon123 shadow123 charlie1 jordan23
    liverpool chelsea1 arsenal1 manchester barcelona realmadrid samantha danielle victoria alexander benjamin
    internet samsung1 google123 facebook linkedin pokemon1 minecraft fuckyou1 babygirl lovelove chocolate butterfly
    spiderman cheesecake january1 summer123 winter123 spring2024 summer2024 winter2024 autumn2024 hello123 helloworld
    polska12 polska123 haslo123 haslo1234 kochanie krakow12 wawel123 cloud123 openstack opennebula
    """.split()
)


def wrong_with_password(password: str, login: str) -> str | None:
    """
    Why this may not be somebody's password; None: it may.

    What it must consist of is not prescribed: NIST SP 800-63B, 5.1.1.2.
    """
    if len(password) < PASSWORD_MIN:
        return f"it must have at least {PASSWORD_MIN} characters"
    lower = password.lower()
    if login and lower in (login.lower(), login.lower()[::-1]):
        return "it is the login"
    if lower in COMMON:
        return "it is among the first that anybody would try"
    if len(set(password)) < 3:
        return "it consists of one or two characters"
    return None
