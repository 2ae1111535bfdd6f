"""What can go wrong on a node, by what can be done about it. The messages are whole sentences, shown as they are."""

from dataclasses import dataclass


class NodeError(Exception):
    """Any expected failure."""


class WrongUse(NodeError):
    """An argument or file named by the operator cannot be used; correct it and repeat."""


class NotEnrolled(NodeError):
    """There is no identity in the state directory."""


class EndpointUnavailable(NodeError):
    """No answer, or one that says "later": repeat with a growing pause."""


class DocumentRefused(EndpointUnavailable):
    """The endpoint sent a document that is none, or of a format that came later: the one of before stays in use."""


@dataclass(eq=False)
class EndpointRefused(NodeError):
    """The endpoint understood and said no; ``rejected`` names the records it will never take."""

    status: int
    slug: str
    message: str
    rejected: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"The endpoint refused ({self.status} {self.slug}): {self.message}"
