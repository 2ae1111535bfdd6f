"""Images that are copied from one cluster to another, by JSON-RPC and EC2: whole, once, by the rules of both."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from clm.daemon.settings import CloudSettings, ListenSettings
from cm.rpc.errors import CloudError, InvalidParameter, ObjectNotFound
from support.ec2_site import WAIT, Site, code
from support.federation import PATIENT, Federation, federated, free_port
from support.wait import until

CONTENT = bytes(510) + b"\x55\xaa" + os.urandom(900 * 1024 - 512)  # nodes in memory keep a MiB of a volume


@pytest.fixture(scope="module")
def site(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    rpc, port, base = free_port(), free_port(), tmp_path_factory.mktemp("copies")
    listen = ListenSettings(rpc=f"127.0.0.1:{rpc}", ec2=f"127.0.0.1:{port}")
    cloud = CloudSettings(state_dir=base / "clm", public_url=f"http://127.0.0.1:{rpc}")
    with federated(postgres, base, ("alpha", "beta"), listen=listen, cloud=cloud, clusters=PATIENT) as made:
        yield Site(made, port)


@pytest.fixture(scope="module")
def federation(site: Site) -> Federation:
    return site.federation


def uploaded(federation: Federation, name: str, content: bytes = CONTENT) -> dict[str, Any]:
    """An image of ann's at alpha."""
    asked = {"name": name, "description": "as it came", "size_bytes": len(content), "format": "raw",
             "default_user": "debian", "least_memory_mib": 64, "agent": True, "cluster": "alpha"}  # fmt: skip
    made = federation.call("user.system_image.upload", asked)
    image_id = made["image"]["image_id"]
    headers = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    url = f"{federation.url('alpha')}{made['path']}"
    urllib.request.urlopen(urllib.request.Request(url, content, headers, method="PATCH"), timeout=30).close()
    return settled(federation, "alpha", image_id)


def shown(federation: Federation, cluster: str, image_id: int, login: str = "ann") -> dict[str, Any]:
    asked = {"image_id": image_id, "cluster": cluster}
    found: dict[str, Any] = federation.call("user.system_image.get_by_id", asked, login=login)
    return found


def settled(federation: Federation, cluster: str, image_id: int, state: str = "ok") -> dict[str, Any]:
    found = until(lambda: _over(federation, cluster, image_id), f"the image at {cluster}", 60.0)
    assert found["state"] == state, found["error"]
    return dict(found)


def _over(federation: Federation, cluster: str, image_id: int) -> dict[str, Any] | None:
    found = shown(federation, cluster, image_id)
    return None if found["state"] == "adding" else found


def copy(federation: Federation, image: dict[str, Any], login: str = "ann", **more: Any) -> dict[str, Any]:
    request_id = more.pop("request_id", None)
    asked = {"uuid": image["uuid"], "target": "beta", "name": "copy", **more}
    made: dict[str, Any] = federation.call(
        "user.system_image.copy_to_cluster", asked, login=login, request_id=request_id
    )
    return made


def bytes_of(federation: Federation, cluster: str, image_id: int) -> bytes:
    given = federation.call("user.system_image.create_download", {"image_id": image_id, "cluster": cluster})
    with urllib.request.urlopen(f"{federation.url(cluster)}{given['path']}", timeout=30) as answer:
        content: bytes = answer.read()
    return content


def test_whole(federation: Federation) -> None:
    """It has the bytes and what the image says of itself, counts on the target's quota, and is the caller's own."""
    image = uploaded(federation, "first")
    asked = {"image_id": image["image_id"], "imds_tokens": "required", "imds_hop_limit": 2, "family": "of-ann",
             "cluster": "alpha"}  # fmt: skip
    federation.call("user.system_image.edit", asked)
    used = federation.clouds["beta"].sql("SELECT used_storage_mib FROM account WHERE login = 'ann'") or 0
    made = copy(federation, image, request_id="once")
    assert made["cluster"] == "beta" and copy(federation, image, request_id="once") == made
    found = settled(federation, "beta", made["image_id"])
    same = ("size_bytes", "volume_sha256", "default_user", "least_memory_mib", "agent", "platform", "format")
    assert [found[each] for each in same] == [image[each] for each in same]
    assert found["volume_sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (found["imds_tokens"], found["imds_hop_limit"], found["family"]) == ("required", 2, "")
    assert (found["name"], found["description"], found["mine"]) == ("copy", "as it came", True)
    assert bytes_of(federation, "beta", made["image_id"]) == CONTENT
    cloud = federation.clouds["beta"]
    assert cloud.sql("SELECT used_storage_mib FROM account WHERE login = 'ann'") == used + 1
    # Nobody reads of the address that it came from.
    (secret,) = (each for each in [cloud.sql("SELECT arguments ->> 'url' FROM audit WHERE method LIKE '%import_url'")])
    assert secret.endswith("/downloads/...")
    federation.call("user.system_image.delete", {"image_id": image["image_id"], "cluster": "alpha"})
    assert bytes_of(federation, "beta", made["image_id"]) == CONTENT


def test_refused(federation: Federation) -> None:
    """Another's, one that is there already, no cluster, no room: what is refused makes nothing."""
    image = uploaded(federation, "refused")
    there = len(federation.call("user.system_image.get_list", {"cluster": "beta"}))
    for login in ("bob", "admin"):
        with pytest.raises(ObjectNotFound):
            copy(federation, image, login)
    with pytest.raises(ObjectNotFound):
        copy(federation, {"uuid": "00000000-0000-4000-8000-000000000000"})
    with pytest.raises(ObjectNotFound):
        copy(federation, image, target="gamma")
    with pytest.raises(InvalidParameter, match="user.system_image.copy"):
        copy(federation, image, target="alpha")
    assert len(federation.call("user.system_image.get_list", {"cluster": "beta"})) == there
    cloud = federation.clouds["beta"]
    quota = cloud.sql("SELECT quota_storage_mib FROM account WHERE login = 'ann'")
    cloud.sql("UPDATE account SET quota_storage_mib = used_storage_mib WHERE login = 'ann'")
    try:
        made = copy(federation, image)
        assert "quota" in settled(federation, "beta", made["image_id"], "failed")["error"].lower()
    finally:
        cloud.sql("UPDATE account SET quota_storage_mib = :q WHERE login = 'ann'", q=quota)


def test_away(federation: Federation) -> None:
    """Each of both managers away for a while, the copy goes on when they are back; given up, nothing of it stays."""
    image = uploaded(federation, "away")
    for name in ("alpha", "beta"):
        made = copy(federation, image)
        federation.kill(name)
        federation.revive(name)
        until(partial(_answers, federation, name))
        assert settled(federation, "beta", made["image_id"])["volume_sha256"] == image["volume_sha256"]
    cloud = federation.clouds["beta"]
    used = cloud.sql("SELECT used_storage_mib FROM account WHERE login = 'ann'")
    federation.kill("alpha")
    federation.revive("alpha")
    until(lambda: _answers(federation, "alpha"))
    made = copy(federation, image)
    federation.kill("alpha")  # whence nothing comes now
    try:
        asked = {"operation_id": made["operation_id"], "cluster": "beta"}
        if shown(federation, "beta", made["image_id"])["state"] == "adding":
            federation.call("user.operation.abandon", asked)
            gone = partial(cloud.sql, "SELECT state FROM image WHERE id = :i", i=made["image_id"])
            until(lambda: gone() == "deleted")
            until(lambda: cloud.sql("SELECT used_storage_mib FROM account WHERE login = 'ann'") == used)
    finally:
        federation.revive("alpha")
    until(lambda: _answers(federation, "alpha"))


def _answers(federation: Federation, name: str) -> bool:
    try:
        federation.call("user.system_image.get_list", {"cluster": name})
    except CloudError:
        return False
    return True


def test_ec2(site: Site, federation: Federation) -> None:
    """``CopyImage`` from another region, with tags, once for a token; another's and other regions are of nothing."""
    image = uploaded(federation, "of ec2")
    ann, bob = (site.client(site.key(login), region="beta") for login in ("ann", "bob"))
    here = site.client(site.key(), region="alpha")
    (given,) = (each["ImageId"] for each in here.describe_images(Owners=["self"])["Images"]
                if each["Name"] == "of ec2")  # fmt: skip
    here.create_tags(Resources=[given], Tags=[{"Key": "team", "Value": "a"}])
    asked: dict[str, Any] = {"Name": "copied", "SourceImageId": given, "SourceRegion": "alpha"}
    asked |= {"CopyImageTags": True, "ClientToken": "t"}
    assert code(bob.copy_image, **asked) == "InvalidAMIID.NotFound 400"
    assert code(ann.copy_image, **{**asked, "SourceRegion": "gamma"}) == "InvalidParameterValue 400"
    assert code(ann.copy_image, **asked, DryRun=True) == "DryRunOperation 412"
    made = ann.copy_image(**asked)["ImageId"]
    assert ann.copy_image(**asked)["ImageId"] == made
    ann.get_waiter("image_available").wait(ImageIds=[made], **WAIT)
    (found,) = ann.describe_images(ImageIds=[made])["Images"]
    assert (found["Name"], found["Tags"]) == ("copied", [{"Key": "team", "Value": "a"}])
    assert image["uuid"].replace("-", "")[:17] not in made
    reader = site.client(site.key(scope="read"), region="beta")
    assert code(reader.copy_image, **{**asked, "ClientToken": "u"}) == "UnauthorizedOperation 403"
