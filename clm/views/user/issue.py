"""Issues: what users write to the cloud's operators."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from clm.services import issue as service
from clm.services.context import CloudCall
from cm.rpc.types import Name
from cm.rpc.view import user_view

IssueText = Annotated[str, Meta(min_length=1, max_length=20_000)]


@user_view(changing=True)
def send(caller: CloudCall, topic: Name, text: IssueText) -> None:
    """Write to the cloud's operators; they answer by mail, to the caller's address."""
    service.send(caller, topic, text)
