"""
Places: so many of something at once, shared out between accounts and addresses, the last ones kept for those who run
the cloud. Whoever is refused has others' doings to thank for nothing: first their own share ends.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable

from cm.rpc.address import counted_address
from cm.rpc.caller import Identity
from cm.rpc.errors import Overloaded, TooManyAtOnce
from cm.rpc.limits import Share
from cm.rpc.vocabulary import Role


class Places:
    """
    :param what: what there are places for, as the refused are told.
    """

    def __init__(self, what: str, share: Share) -> None:
        self.what = what
        self.share = share
        self._taken: dict[Hashable, int] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def take(self, identity: Identity, remote: str = "") -> Callable[[], None]:
        """
        Take a place.

        :param remote: the peer's address; "" for a caller in this process.
        :return: gives it back; to be called once.
        :raises TooManyAtOnce: the account or the address has its share already.
        :raises Overloaded: there is none left.
        """
        share = self.share
        taken = self._taken
        privileged = identity.may(Role.ADMIN)
        keys: list[Hashable] = []
        if identity.source != "none":
            account = ("account", identity.account_id or identity.login)
            keys.append(account)
            most = share.per_account * (share.times if privileged else 1)
            if taken.get(account, 0) >= most:
                raise TooManyAtOnce(self.what, most)
        # People of a cloud all come from its address.
        place = "" if identity.issuer else counted_address(remote)
        if place:
            address = ("address", place)
            keys.append(address)
            if taken.get(address, 0) >= share.per_address and not privileged:
                raise TooManyAtOnce(self.what, share.per_address)
        if self._count >= share.size - (0 if privileged else share.kept):
            raise Overloaded()
        self._count += 1
        for key in keys:
            taken[key] = taken.get(key, 0) + 1

        def give_back() -> None:
            self._count -= 1
            for key in keys:
                left = taken[key] - 1
                if left:
                    taken[key] = left
                else:
                    del taken[key]

        return give_back
