"""
cloud-init's NoCloud documents, as it asks for them.

cloud-init 22 asks for meta-data, user-data and vendor-data, newer ones for network-config too; one 404 among the first
three and it may drop them all, so that absent user data is an empty document.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from cm.rules.cloud_init import NOTHING, meta_data, network_config, vendor_text
from cm.rules.guest import Guest, user_data
from contextualization.wire import BINARY, PLAIN, Answer, Refusal, not_found

AGENT = "Cloud-Init/"  # all its versions say so


def answer_nocloud(
    guest: Guest,
    path: str,
    hello_url: str,
    *,
    agent: str = "",
    strict: bool = False,
    more: Mapping[str, Any] = NOTHING,
    install_agent: bool = False,
) -> Answer:
    """
    :param path: ``<uuid>/<document>``; of guests that an older version launched ``<document>``, or that with a secret
        before it.
    :param more: what the cluster tells all guests, and ``install_agent``: whether they are to have our agent.
    :param agent: what the client calls itself.
    :param strict: answer cloud-init alone. An application in the guest that fetches whatever address somebody gives it
        says its own name; so this does here what a token does for EC2's metadata.
    :raises Refusal: 401; 404, also for another VM's uuid or secret: who asks, the address has said already.
    """
    whose, slash, name = path.partition("/")
    if not slash:
        whose, name = guest.uuid, whose
    if whose == guest.uuid:
        if strict and not agent.startswith(AGENT):
            raise Refusal(401, "unauthorized", "Only cloud-init is answered here.")
    elif not guest.secret or not hmac.compare_digest(whose.encode("utf-8", "replace"), guest.secret.encode()):
        raise not_found()
    if name == "meta-data":
        return Answer(200, json.dumps(meta_data(guest)).encode(), PLAIN)
    if name == "user-data":
        return Answer(200, user_data(guest), BINARY)
    if name == "vendor-data":
        return Answer(200, vendor_text(guest, hello_url, more, install_agent).encode(), PLAIN)
    if name == "network-config":
        return Answer(200, json.dumps(network_config(guest)).encode(), PLAIN)
    raise not_found()
