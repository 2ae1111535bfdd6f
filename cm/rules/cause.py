"""What led to an operation. It is typed: what a caller may choose, a request id above all, must not decide anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cm.rpc.vocabulary import CauseKind


@dataclass(frozen=True)
class Cause:
    """
    :ivar ref: which one, for people and for the audit; nothing depends on it. Of a call its request id or own id, of a
        hook's event its node, boot id and sequence, of a look the node's id, of the others theirs.
    """

    kind: CauseKind
    ref: str


# Nobody asked: a domain had ended, and the VM's policy named what follows.
BY_ITSELF: Final = frozenset({CauseKind.HOOK, CauseKind.LOOK})
