"""
cloud-init's NoCloud documents. They are YAML to cloud-init and written as JSON, which is YAML: a typed writer leaves no
name or key a way out of its quotes.

cloud-init 22 asks for meta-data, user-data and vendor-data, newer ones for network-config too; one 404 among the first
three and it may drop them all, so that absent user data is an empty document.
"""

from __future__ import annotations

import hmac
import json
from typing import Any

from cm.services.guest import Guest
from contextualization.metadata.names import hostname, public_keys, user_data
from contextualization.wire import BINARY, PLAIN, Answer, Refusal, not_found

HEADER = "#cloud-config\n"
AGENT = "Cloud-Init/"  # all its versions say so
POSTED = ("instance_id", "hostname", "fqdn")


def answer_nocloud(guest: Guest, path: str, hello_url: str, *, agent: str = "", strict: bool = False) -> Answer:
    """
    :param path: ``<uuid>/<document>``; of guests that an older version launched ``<document>``, or that with a secret
        before it.
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
        return Answer(200, (HEADER + json.dumps(vendor_data(guest, hello_url))).encode(), PLAIN)
    if name == "network-config":
        return Answer(200, json.dumps(network_config(guest)).encode(), PLAIN)
    raise not_found()


def meta_data(guest: Guest) -> dict[str, Any]:
    document: dict[str, Any] = {"instance-id": guest.instance_id, "local-hostname": hostname(guest)}
    if keys := public_keys(guest):
        document["public-keys"] = keys
    return document


def vendor_data(guest: Guest, hello_url: str) -> dict[str, Any]:
    """The hello, and the caller's account with its keys. A guest's user data outweighs it key by key."""
    config: dict[str, Any] = {"phone_home": {"url": hello_url, "post": list(POSTED), "tries": 10}}
    keys = public_keys(guest)
    if keys and guest.ssh_username:
        user: dict[str, Any] = {"name": guest.ssh_username, "ssh_authorized_keys": keys}
        if guest.ssh_username == "root":
            # Locking is cloud-init's default for every user it is told of; of root it would take away the console.
            user["lock_passwd"] = False
            config["disable_root"] = False
        else:
            user |= {"sudo": "ALL=(ALL) NOPASSWD:ALL", "shell": "/bin/bash", "lock_passwd": True}
        config["users"] = ["default", user]
    return config


def network_config(guest: Guest) -> dict[str, Any]:
    """Version 2: DHCP on each NIC, known by its MAC address."""
    nics = {
        f"nic{nic.index}": {
            "match": {"macaddress": nic.mac},
            "dhcp4": True,
            "dhcp6": any(address.version == 6 for address in nic.addresses),
        }
        for nic in guest.nics
    }
    return {"version": 2, "ethernets": nics}
