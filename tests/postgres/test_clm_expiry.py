"""Expiry leases through a cloud: who is told is mailed once, and the mail's link renews one VM, for three days."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from clm.daemon.settings import MailSettings
from clm.rules.renewal import LINK_S, Renewal, read_link, write_link
from clm.services import expiry as service
from clm.services.expiry import RenewalRefused
from cm.rpc.errors import ExpiryNotYours, InvalidParameter
from cm.services import expiring
from support.clm_mail import outbox, unused_port
from support.cloud import run
from support.federation import PATIENT, Federation, federated
from support.wait import until

DAY = 86_400


@pytest.fixture
def federation(postgres: Any, tmp_path: Path) -> Iterator[Federation]:
    mail = MailSettings(host="127.0.0.1", port=unused_port(), sender="cloud@example.org", tls="none")
    with federated(postgres, tmp_path, names=("alpha",), mail=mail, clusters=PATIENT) as made:
        cursor = "SELECT feed_cursor <> '' FROM cluster WHERE name = 'alpha'"
        until(lambda: made.bench.sql(cursor), "the cluster is followed")
        made.clouds["alpha"].manager.care.expiry.stop()
        yield made


def lease(federation: Federation, **more: Any) -> int:
    values = {"cluster": "alpha", "name": "lab", "suspend_s": DAY, "delete_s": 10 * DAY, "for_all": True, **more}
    made: int = federation.call("admin.expiry.add", values, login="admin")["expiry_id"]
    return made


def warned(federation: Federation, **more: Any) -> tuple[int, str]:
    """A VM of ann's whose suspension she was mailed of; with the link."""
    vm_id = federation.create("alpha", **more)["vm_id"]
    cloud, before = federation.clouds["alpha"], len(outbox(federation.bench, "vm_expires"))
    cloud.until(lambda: cloud.sql("SELECT seen FROM vm WHERE id = :v", v=vm_id) == "running", "it runs")
    cloud.sql(
        "UPDATE vm_expiry SET suspend_at = now() + interval '1 hour', look_at = now() - interval '1 second'"
        " WHERE vm_id = :v",
        v=vm_id,
    )
    run(lambda: expiring.collect(cloud.manager.services))
    until(lambda: len(outbox(federation.bench, "vm_expires")) > before, "it is mailed")
    mail = outbox(federation.bench, "vm_expires")[-1]
    assert mail.recipient == "ann@example.org" and "vm" in mail.subject and "suspended" in mail.subject
    found = re.search(r"wawel --url \S* guest expiry renew (\S+)", mail.body)
    assert found is not None, mail.body
    return vm_id, found[1]


def renewed(federation: Federation, vm_id: int) -> bool:
    return bool(
        federation.clouds["alpha"].sql(
            "SELECT suspend_at > now() + interval '23 hours' AND suspend_told_at IS NULL FROM vm_expiry"
            " WHERE vm_id = :v",
            v=vm_id,
        )
    )


def test_mailed_and_renewed(federation: Federation) -> None:
    """A notice is a message and one mail; its link tells of the VM, renews it, and once more does nothing."""
    expiry_id = lease(federation)
    vm_id, link = warned(federation, expiry_id=expiry_id)
    messages = [each for each in federation.call("user.message.get_list") if each["code"] == "vm_expires"]
    assert [(each["level"], each["params"]["vm_id"]) for each in messages] == [("warn", vm_id)]
    looked = federation.call("guest.expiry.get", {"token": link}, login=None)
    assert (looked["cluster"], looked["vm"], looked["expiry"]) == ("alpha", "vm", "lab")
    assert [each["end"] for each in looked["ends"]] == ["suspend", "delete"] and not renewed(federation, vm_id)
    done = federation.call("guest.expiry.renew", {"token": link}, login=None)
    assert renewed(federation, vm_id) and done["ends"][0]["at"] > looked["ends"][0]["at"]
    at = federation.clouds["alpha"].sql("SELECT suspend_at FROM vm_expiry")
    assert federation.call("guest.expiry.renew", {"token": link}, login=None) == done
    assert federation.clouds["alpha"].sql("SELECT suspend_at FROM vm_expiry") == at
    audited = federation.clouds["alpha"].sql(
        "SELECT count(*) FROM audit WHERE method = 'user.expiry.renew' AND login = 'ann'"
    )
    assert audited == 1 and len(outbox(federation.bench, "vm_expires")) == 1
    kept = federation.bench.sql("SELECT arguments::text FROM audit WHERE method = 'guest.expiry.renew'")
    assert link not in kept


def test_links_that_are_not_good(federation: Federation, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changed, expired, of somebody who is blocked, or of a cluster that is gone: all are refused alike."""
    expiry_id = lease(federation)
    vm_id, link = warned(federation, expiry_id=expiry_id)
    secret = federation.bench.manager.policy.secret
    said = read_link(secret, link)
    assert (said.vm_id, said.user_id) == (vm_id, federation.bench.ids["ann"])

    def refused(token: str) -> None:
        for view in ("get", "renew"):
            with pytest.raises(RenewalRefused):
                federation.call(f"guest.expiry.{view}", {"token": token}, login=None)

    refused(link[:-1] + ("A" if link[-1] != "A" else "B"))
    refused(write_link(b"of another cloud", said))
    refused(write_link(secret, Renewal(10**6, vm_id, said.user_id, said.message_id, said.until)))
    refused(write_link(secret, Renewal(said.cluster_id, vm_id, 10**6, said.message_id, said.until)))
    with pytest.raises(InvalidParameter):
        federation.call("guest.expiry.renew", {"token": "a b"}, login=None)
    # Another's VM, of a link that we had written: the cluster says no, as it would to the person.
    bobs = federation.create("alpha", login="bob")["vm_id"]
    refused(write_link(secret, Renewal(said.cluster_id, bobs, said.user_id, said.message_id, said.until)))
    now = service.unix_seconds()
    monkeypatch.setattr(service, "unix_seconds", lambda: now + LINK_S - 60)
    assert federation.call("guest.expiry.get", {"token": link}, login=None)["vm"] == "vm"
    monkeypatch.setattr(service, "unix_seconds", lambda: now + LINK_S)
    refused(link)
    monkeypatch.undo()
    federation.call("cloud.user.block", {"user_id": said.user_id, "block": True}, login="admin")
    refused(link)
    assert not renewed(federation, vm_id)


def test_lease_that_was_withdrawn(federation: Federation) -> None:
    """What is not theirs any more, or was deleted, no link renews; the cluster's own refusal says which."""
    expiry_id = lease(federation, for_all=False)
    cloud = federation.clouds["alpha"]
    grant = {"cluster": "alpha", "kind": "expiry", "object_id": expiry_id, "login": "ann"}
    cloud.until(lambda: cloud.sql("SELECT count(*) FROM account WHERE login = 'ann'") == 1, "ann is known")
    federation.call("admin.acl.set", {**grant, "level": "user"}, login="admin")
    vm_id, link = warned(federation, expiry_id=expiry_id)
    federation.call("admin.acl.set", {**grant, "level": None}, login="admin")
    with pytest.raises(ExpiryNotYours):
        federation.call("guest.expiry.renew", {"token": link}, login=None)
    assert not renewed(federation, vm_id)
