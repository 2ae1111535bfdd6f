"""Guests: who they are, what they are told, their hello."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from cluster_builder import Peer, add_nic, add_pool, add_vm, change, value
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from cm.rpc.vocabulary import CauseKind, TagKind
from cm.rules.cause import Cause
from cm.rules.imds import ImdsChange
from cm.runtime.database import Database
from cm.runtime.threads import InlineThreads
from cm.services.farm_key import public_key
from cm.services.guest import find_guest, hello
from cm.services.release import update_resources
from cm.store.claim import claim_node
from cm.store.guest import guest_changed
from cm.store.identity import find_identity
from cm.store.node_document import document_changed
from cm.store.tag import write_tags
from cm.store.vm_state import write_imds
from contextualization.known import KEPT_S
from contextualization.metadata.imds import TOKEN_HEADER, TTL_HEADER
from contextualization.wire import Answer, Exchange
from node_hooks.signature import HOP_LIMIT_HEADER

A, B = "10.128.0.5", "10.128.0.6"
DOCUMENTS = b"document\npkcs7\nrsa2048\nsignature"


@pytest.fixture
def peer(database: Database) -> Peer:
    """VM A on node a, VM B on node b."""
    made = Peer(database)
    made.enrol("a")
    made.enrol("b")
    data = base64.b64encode(b"#cloud-config\nsecret: of-a\n").decode()
    made.ids["A"] = database.transact_now(
        lambda session: add_vm(session, made.ids, "a", A, name="A", user_data=data, ssh_key="ssh-rsa AAA ala")
    )
    made.ids["B"] = database.transact_now(lambda session: add_vm(session, made.ids, "b", B, name="B", user_data="of-b"))
    return made


class TestIdentity:
    def test_own(self, peer: Peer) -> None:
        """Each guest is told of itself."""
        assert peer.ask("a", A, "/latest/meta-data/local-ipv4").body == A.encode()
        assert peer.ask("b", B, "/latest/meta-data/local-ipv4").body == B.encode()
        assert peer.ask("a", A, "/latest/user-data").body == b"#cloud-config\nsecret: of-a\n"

    def test_other_node(self, peer: Peer) -> None:
        """A node gets nothing for a guest of another, for a free address, for what is none."""
        for address in (A, "10.128.0.7", "10.128.0.1", "::1", "x", "10.128.0.6/32", "10.128.0.06", "0"):
            assert peer.ask("b", address, "/latest/user-data").status == 404, address

    def test_other_bridge(self, peer: Peer) -> None:
        """The address counts on its own bridge alone."""
        assert peer.ask("a", A, "/latest/user-data", bridge="wbr1").status == 404

    def test_forwarded(self, peer: Peer) -> None:
        """A forwarded request is refused, also one that asks for a token, whatever address it names."""
        for header in ("X-Forwarded-For", "x-forwarded-host", "Forwarded", "X-Real-IP", "X-FORWARDED-PROTO"):
            for method, path in (("GET", "/latest/user-data"), ("PUT", "/latest/api/token")):
                assert peer.ask("a", A, path, method, **{header: B, TTL_HEADER: "60"}).status == 403, header

    def test_spoofed(self, peer: Peer) -> None:
        """No header names another guest."""
        for header in ("X-Instance-ID", "X-Instance-ID-Signature", "X-Tenant-ID", "X-Client-IP", "Host", "Via"):
            for named in (B, str(peer.ids["B"]), "i-0"):
                answer = peer.ask("a", A, "/latest/meta-data/local-ipv4", **{header: named})
                assert answer.body == A.encode(), header

    def test_unsigned(self, peer: Peer) -> None:
        """A guest that reaches the endpoint itself is nobody."""
        headers = {"x-wawel-bridge": ("wbr0",), "x-wawel-address": (A,)}
        assert peer.send(Exchange("GET", "/guest/latest/", headers)).status == 401
        assert peer.send(peer.signed("a", "GET", "/guest/latest/")).status == 400

    def test_unclaimed_and_closed(self, peer: Peer) -> None:
        """A VM that holds no node, or is closed, is told nothing more."""
        change(peer.database, "UPDATE vm SET node_claimed = false, cpu = 0 WHERE id = :id", id=peer.ids["A"])
        assert peer.ask("a", A, "/latest/").status == 404
        change(peer.database, "UPDATE vm SET closed_at = now(), node_claimed = false WHERE id = :id", id=peer.ids["B"])
        assert peer.ask("b", B, "/latest/").status == 404

    def test_second_nic(self, peer: Peer) -> None:
        """A guest with two NICs is the same by either; both are in its tree."""
        peer.database.transact_now(add_pool, "other", "10.129.0.0/28", "wbr1")
        peer.database.transact_now(add_nic, peer.ids["A"], "10.129.0.5", 1)
        found = peer.ask("a", "10.129.0.5", "/latest/meta-data/network/interfaces/macs", bridge="wbr1")
        assert found.body == b"02:57:0a:80:00:05/\n02:57:0a:81:00:05/"
        assert peer.ask("a", "10.129.0.5", "/latest/", bridge="wbr0").status == 404
        change(peer.database, "UPDATE nic SET mac = '02:58:00:00:00:07' WHERE number = 1")
        found = peer.ask("a", "10.129.0.5", "/latest/meta-data/network/interfaces/macs", bridge="wbr1")
        assert found.body == b"02:57:0a:80:00:05/\n02:58:00:00:00:07/"

    def test_too_large(self, peer: Peer) -> None:
        """A guest may send 64 KiB."""
        assert peer.ask("a", A, "/hello", "POST", b"x" * 65_537).status == 413

    @settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.text(alphabet=st.characters(max_codepoint=255), max_size=40), st.sampled_from(["GET", "PUT", "POST"]))
    def test_any_path(self, peer: Peer, path: str, method: str) -> None:
        """No path breaks anything or tells of the other guest."""
        prefix = ["/", "/nocloud/", "/latest/meta-data/", "/hello/"][len(path) % 4]
        answer = peer.ask("a", A, prefix + path.replace("\n", ""), method)
        assert answer.status in (200, 400, 404, 405)
        assert b"of-b" not in answer.body and B.encode() not in answer.body


class TestNoCloud:
    def secret(self, peer: Peer, vm: str) -> str:
        return str(value(peer.database, "SELECT secret FROM vm WHERE id = :id", id=peer.ids[vm]))

    def test_sequence(self, peer: Peer) -> None:
        """What cloud-init asks for by the SMBIOS serial, in its order."""
        names = ("user-data", "meta-data", "vendor-data", "network-config")
        answers = [peer.ask("a", A, "/nocloud/" + name) for name in names]
        assert [answer.status for answer in answers] == [200] * 4
        assert answers[0].body.startswith(b"#cloud-config")
        assert json.loads(answers[1].body)["local-hostname"] == "a"
        assert b"http://169.254.169.254/hello" in answers[2].body
        assert peer.ask("a", A, "//nocloud//meta-data").status == 200
        older = [peer.ask("a", A, f"/nocloud/{self.secret(peer, 'A')}/{name}") for name in names]
        assert [answer.body for answer in older] == [answer.body for answer in answers]

    def test_own_path(self, peer: Peer) -> None:
        """A VM's own address is good for its guest alone, and not for those of others."""
        own = {vm: str(value(peer.database, "SELECT uuid FROM vm WHERE id = :id", id=peer.ids[vm])) for vm in "AB"}
        assert peer.ask("b", B, f"/nocloud/{own['B']}/user-data").body == b"of-b"
        assert peer.ask("a", A, f"/nocloud/{own['B']}/user-data").status == 404
        change(peer.database, "UPDATE vm SET imds_tokens = 'required' WHERE id = :id", id=peer.ids["B"])
        assert peer.ask("b", B, f"/nocloud/{own['B']}/user-data").status == 401
        assert peer.ask("b", B, f"/nocloud/{own['B']}/user-data", **{"User-Agent": "Cloud-Init/22.4.2"}).status == 200

    def test_nothing(self, peer: Peer) -> None:
        """Of a VM that is to be told nothing its guest is told nothing, and may say hello."""
        change(peer.database, "UPDATE vm SET metadata_source = 'none' WHERE id = :id", id=peer.ids["A"])
        for path in ("/latest/meta-data/", "/nocloud/meta-data", "/latest/user-data"):
            assert peer.ask("a", A, path).status == 403, path
        assert peer.ask("a", A, "/hello", "POST").status == 200

    def test_others_secret(self, peer: Peer) -> None:
        """B's secret gives A nothing, on no node."""
        path = f"/nocloud/{self.secret(peer, 'B')}/user-data"
        assert peer.ask("a", A, path).status == 404
        assert peer.ask("b", A, path).status == 404
        assert peer.ask("b", B, path).status == 200

    def test_posted(self, peer: Peer) -> None:
        """The documents are read alone."""
        assert peer.ask("a", A, "/nocloud/user-data", "POST").status == 405


class TestIMDS:
    def token(self, peer: Peer, node: str, address: str, ttl: str = "21600") -> str:
        return peer.ask(node, address, "/latest/api/token", "PUT", **{TTL_HEADER: ttl}).body.decode()

    def test_cloud_init(self, peer: Peer) -> None:
        """cloud-init as on AWS: token, instance id, user data, then all that the listings name."""
        header = {TOKEN_HEADER: self.token(peer, "a", A)}
        assert peer.ask("a", A, "/2021-03-23/meta-data/instance-id", **header).body.startswith(b"i-")
        assert peer.ask("a", A, "/2021-03-23/user-data", **header).status == 200
        asked = 0

        def crawl(path: str) -> None:
            nonlocal asked
            for line in peer.ask("a", A, path, **header).body.decode().split("\n"):
                name, listed, _ = line.partition("=")
                if listed or name.endswith("/"):
                    crawl(path + name.rstrip("/") + "/")
                else:
                    asked += 1
                    assert peer.ask("a", A, path + name, **header).status == 200

        crawl("/2021-03-23/meta-data/")
        assert asked > 30
        assert peer.ask("a", A, "/2021-03-23/dynamic/instance-identity", **header).body == DOCUMENTS

    def test_signed(self, peer: Peer) -> None:
        """What signs is the cluster's one key, whichever process and guest; the certificate is told to anybody."""
        path = "/latest/dynamic/instance-identity/"
        assert peer.database.read_now(find_identity) is None
        assert peer.ask("a", A, "/latest/meta-data/").status == 200
        assert peer.database.read_now(find_identity) is None
        first = peer.ask("a", A, path + "signature").body
        peer.start()
        assert peer.ask("a", A, path + "signature").body == first != peer.ask("b", B, path + "signature").body
        assert peer.ask("a", A, path).body == DOCUMENTS
        certificate = x509.load_pem_x509_certificate(peer.database.read_now(find_identity).certificate.encode())
        key = certificate.public_key()
        assert isinstance(key, RSAPublicKey)
        document = peer.ask("a", A, path + "document").body
        key.verify(base64.b64decode(first), document, PKCS1v15(), SHA256())
        with pytest.raises(InvalidSignature):
            key.verify(base64.b64decode(first), document.replace(A.encode(), B.encode()), PKCS1v15(), SHA256())

    def test_token_of_another(self, peer: Peer) -> None:
        """A's token in B's hands is refused, though no token is needed."""
        made = self.token(peer, "a", A)
        assert peer.ask("a", A, "/latest/", **{TOKEN_HEADER: made}).status == 200
        assert peer.ask("b", B, "/latest/", **{TOKEN_HEADER: made}).status == 401
        peer.now += 21_601
        assert peer.ask("a", A, "/latest/", **{TOKEN_HEADER: made}).status == 401

    def test_required(self, database: Database) -> None:
        """With version 1 off, a token is needed for the tree."""
        peer = Peer(database, imds_v1=False)
        peer.enrol("a")
        database.transact_now(lambda session: add_vm(session, peer.ids, "a", A))
        assert peer.ask("a", A, "/latest/").status == 401
        assert peer.ask("a", A, "/nocloud/user-data").status == 401
        assert peer.ask("a", A, "/nocloud/user-data", **{"User-Agent": "Cloud-Init/22.4.2"}).status == 200
        assert peer.ask("a", A, "/latest/", **{TOKEN_HEADER: self.token(peer, "a", A)}).status == 200


class TestOptions:
    """How each VM's guest is told EC2's metadata."""

    def options(self, peer: Peer, vm: str = "A", **columns: Any) -> None:
        for name, value_ in columns.items():
            change(peer.database, f"UPDATE vm SET imds_{name} = :value WHERE id = :id", value=value_, id=peer.ids[vm])

    def token(self, peer: Peer) -> Answer:
        return peer.ask("a", A, "/latest/api/token", "PUT", **{TTL_HEADER: "60"})

    def test_required(self, peer: Peer) -> None:
        """Of a VM that needs tokens nothing is told without one, and NoCloud's to cloud-init alone; others go on."""
        self.options(peer, tokens="required")
        for path in ("/", "/latest/meta-data/", "/latest/user-data", "/latest/x", "/nocloud/user-data"):
            assert peer.ask("a", A, path).status == 401, path
        assert peer.ask("a", A, "/nocloud/user-data", **{"User-Agent": "Cloud-Init/22.4.2"}).status == 200
        assert peer.ask("a", A, "/latest/", **{TOKEN_HEADER: self.token(peer).body.decode()}).status == 200
        assert peer.ask("b", B, "/latest/user-data").body == b"of-b"

    def test_hop_limit(self, peer: Peer) -> None:
        """The node is told how far the answer with a token may go, and of no other answer."""
        assert self.token(peer).headers[HOP_LIMIT_HEADER] == "1"
        self.options(peer, hop_limit=2)
        assert self.token(peer).headers[HOP_LIMIT_HEADER] == "2"
        assert HOP_LIMIT_HEADER not in peer.ask("a", A, "/latest/").headers

    def test_off(self, peer: Peer) -> None:
        """A VM that is switched off is told nothing, tokens neither; its hello counts."""
        self.options(peer, enabled=False)
        for path in ("/", "/latest/meta-data/instance-id", "/nocloud/meta-data", "/x"):
            assert peer.ask("a", A, path).status == 403, path
        assert self.token(peer).status == 403
        assert peer.ask("a", A, "/hello", "POST").status == 200
        self.options(peer, enabled=True)
        assert peer.ask("a", A, "/latest/").status == 200

    def test_ipv6(self, peer: Peer) -> None:
        """By its IPv6 address a guest is told the same, unless its VM is not to be."""
        own = "fd00::5"
        insert = (
            "INSERT INTO network_lease (network_id, address, nic_id) SELECT network_id, CAST(:own AS inet), id FROM nic"
            " WHERE vm_id = :id"
        )
        change(peer.database, insert, own=own, id=peer.ids["A"])
        path = "/latest/meta-data/network/interfaces/macs/02:57:0a:80:00:05/ipv6s"
        assert peer.ask("a", own, path).body == own.encode() == peer.ask("a", A, path).body
        self.options(peer, ipv6=False)
        assert peer.ask("a", own, path).status == 403
        assert peer.ask("a", A, path).status == 200

    def test_tags(self, peer: Peer) -> None:
        """Tags are told where they are to be, as far as their keys are names that every reader understands."""
        told = {"Name": "web 1", "team:x": "ü", "a/b": "1", "1=2": "2", ".": "3", "two words": "4", "empty": ""}
        database = peer.database
        database.transact_now(write_tags, TagKind.VM, [peer.ids["A"]], told)
        assert peer.ask("a", A, "/latest/meta-data/tags/").status == 404
        self.options(peer, tags=True)
        assert peer.ask("a", A, "/latest/meta-data/tags/instance").body == b"Name\nempty\nteam:x"
        assert peer.ask("a", A, "/latest/meta-data/tags/instance/team:x").body == "ü".encode()
        assert peer.ask("a", A, "/latest/meta-data/tags/instance/empty").status == 200
        self.options(peer, "B", tags=True)
        assert peer.ask("b", B, "/latest/meta-data/tags/").status == 404


class Topics:
    """What transactions notify, at once, in place of the listener's connection; ``lost``: none of it comes."""

    def __init__(self) -> None:
        self.lost = False
        self._told: list[tuple[str, Callable[[str], None]]] = []

    def subscribe(self, topic: str, callback: Callable[[str], None]) -> None:
        self._told.append((topic, callback))

    def deliver(self, payloads: list[str]) -> None:
        for topic, _, subject in (payload.partition(":") for payload in payloads if not self.lost):
            for subscribed, callback in self._told:
                if subscribed == topic:
                    callback(subject)


class TestKept:
    """What is remembered of guests, and what has it forgotten."""

    NAME: ClassVar = "UPDATE vm SET name = 'other' WHERE id = :id"
    PATH: ClassVar = "/latest/meta-data/hostname"

    @pytest.fixture
    def topics(self) -> Topics:
        return Topics()

    @pytest.fixture
    def peer(self, database_url: str, topics: Topics) -> Iterator[Peer]:
        database = Database(database_url, InlineThreads(), deliver=topics.deliver)
        made = Peer(database, listener=topics)
        made.enrol("a")
        made.ids["A"] = database.transact_now(lambda session: add_vm(session, made.ids, "a", A, user_data="of-a"))
        yield made
        database.close()

    def test_kept(self, peer: Peer) -> None:
        """For a while the database is not asked; then it is."""
        assert peer.ask("a", A, self.PATH).body == b"web"
        change(peer.database, self.NAME, id=peer.ids["A"])
        assert peer.ask("a", A, self.PATH).body == b"web"
        peer.clock.advance(KEPT_S)
        assert peer.ask("a", A, self.PATH).body == b"other"

    def test_node_is_told(self, peer: Peer) -> None:
        """Whatever the node is told of has its guests looked at anew; another node's are kept."""
        assert peer.ask("a", A, self.PATH).body == b"web"
        change(peer.database, self.NAME, id=peer.ids["A"])
        peer.database.transact_now(document_changed, peer.ids["b"])
        assert peer.ask("a", A, self.PATH).body == b"web"
        peer.database.transact_now(document_changed, peer.ids["a"])
        assert peer.ask("a", A, self.PATH).body == b"other"

    def test_options(self, peer: Peer) -> None:
        """How a guest is told its metadata holds from its next request on."""
        assert peer.ask("a", A, self.PATH).status == 200

        def set_options(session: Session) -> None:
            write_imds(session, [peer.ids["A"]], ImdsChange(enabled=False))
            guest_changed(session, peer.ids["A"])

        peer.database.transact_now(set_options)
        assert peer.ask("a", A, self.PATH).status == 403

    @pytest.mark.parametrize("lost", [False, True])
    def test_next_of_an_address(self, peer: Peer, topics: Topics, lost: bool) -> None:
        """Who gets a VM's address after its end is never told of that one, notified or not, once a machine can boot."""
        database = peer.database
        change(database, "UPDATE node SET cpu_used = 1, memory_mib_used = 512, vms_used = 1")
        change(database, "UPDATE account SET used_cpu = 1, used_memory_mib = 512, used_vms = 1")
        assert peer.ask("a", A, "/latest/user-data").body == b"of-a"
        topics.lost = lost
        database.transact_now(update_resources, peer.ids["A"], Cause(CauseKind.OPERATION, "1"))

        def place(session: Session) -> None:
            assert claim_node(session, peer.ids["a"], cpu=1, memory_mib=512)
            add_vm(session, peer.ids, "a", A, user_data="of-the-next")

        database.transact_now(place)
        if lost:
            peer.clock.advance(KEPT_S)
        assert peer.ask("a", A, "/latest/user-data").body == b"of-the-next"


class TestHello:
    def at(self, peer: Peer, vm: str = "A") -> Any:
        return value(peer.database, "SELECT contextualized_at FROM vm WHERE id = :id", id=peer.ids[vm])

    def summary(self, peer: Peer) -> dict[str, Any]:
        return dict(json.loads(value(peer.database, "SELECT summary FROM vm WHERE id = :id", id=peer.ids["A"])))

    def say(self, peer: Peer) -> None:
        answer = peer.ask("a", A, "/hello", "POST", b"instance_id=i-1&hostname=web")
        assert (answer.status, answer.body) == (200, b"ok")

    def test_once(self, peer: Peer) -> None:
        """The first hello of a launch counts and is rendered; repeats change nothing."""
        assert self.summary(peer)["cc1_state"] == 1
        self.say(peer)
        first, summary = self.at(peer), self.summary(peer)
        assert first is not None and summary["cc1_state"] == 7 and summary["contextualized"]
        self.say(peer)
        assert self.at(peer) == first and self.summary(peer) == summary
        assert self.at(peer, "B") is None

    def test_next_launch(self, peer: Peer) -> None:
        """A new launch hears a new hello."""
        self.say(peer)
        first = self.at(peer)
        change(
            peer.database,
            "UPDATE vm SET launched_at = clock_timestamp(), launches = 2 WHERE id = :id",
            id=peer.ids["A"],
        )
        self.say(peer)
        assert self.at(peer) > first

    def test_boot_time(self, peer: Peer) -> None:
        """From the start, or the reset, to the hello; one that was woken up has not booted."""
        told = "SELECT boot_s FROM vm WHERE id = :id"
        begun = {"booted": "launched_at", "reset": "seen_at", "restored": "launched_at"}
        for seconds, (reason, since) in enumerate(begun.items(), start=1):
            change(
                peer.database,
                f"UPDATE vm SET launched_at = clock_timestamp() - interval '1 hour', seen_reason = '{reason}',"
                " seen_at = clock_timestamp(), contextualized_at = NULL WHERE id = :id",
                id=peer.ids["A"],
            )
            passed = f"clock_timestamp() - interval '{100 * seconds} seconds'"
            change(peer.database, f"UPDATE vm SET {since} = {passed} WHERE id = :id", id=peer.ids["A"])
            self.say(peer)
            assert value(peer.database, told, id=peer.ids["A"]) == pytest.approx(min(200, 100 * seconds), abs=20)

    def test_method(self, peer: Peer) -> None:
        """A hello is posted."""
        assert peer.ask("a", A, "/hello").status == 405
        assert self.at(peer) is None

    @pytest.mark.parametrize(
        "columns", ["seen = 'off', wanted = 'stopped'", "seen = 'unknown'", "wanted = 'destroyed'", "seen = 'paused'"]
    )
    def test_not_running(self, peer: Peer, columns: str) -> None:
        """A VM that is not running, or is to be destroyed, says no hello."""
        change(peer.database, f"UPDATE vm SET {columns} WHERE id = :id", id=peer.ids["A"])
        self.say(peer)
        assert self.at(peer) is None

    def test_starting(self, peer: Peer) -> None:
        """The hello may come before the operation has seen its VM run; not while one ends it."""
        change(peer.database, "UPDATE vm SET seen = 'unknown' WHERE id = :id", id=peer.ids["A"])
        insert = "INSERT INTO operation (kind, vm_id, deadline) VALUES (:kind, :id, now() + interval '1 hour')"
        change(peer.database, insert, kind="vm_stop", id=peer.ids["A"])
        self.say(peer)
        assert self.at(peer) is None
        change(peer.database, "UPDATE operation SET kind = 'vm_start'")
        self.say(peer)
        assert self.at(peer) is not None

    def test_late(self, peer: Peer) -> None:
        """A guest that was found before its VM was launched anew, or destroyed, changes nothing."""
        database, node_id = peer.database, peer.ids["a"]
        change(database, "UPDATE node SET cpu_used = 1, memory_mib_used = 512, vms_used = 1")
        change(database, "UPDATE account SET used_cpu = 2, used_memory_mib = 1024, used_vms = 2")
        guest = database.read_now(find_guest, node_id, "wbr0", A)
        assert guest is not None and "s3cret" not in repr(guest) and "of-a" not in repr(guest)
        change(database, "UPDATE vm SET launches = 5 WHERE id = :id", id=peer.ids["A"])
        assert not database.transact_now(hello, guest)
        change(database, "UPDATE vm SET launches = 1 WHERE id = :id", id=peer.ids["A"])
        database.transact_now(update_resources, peer.ids["A"], Cause(CauseKind.OPERATION, "1"))
        assert not database.transact_now(hello, guest)
        assert self.at(peer) is None and self.summary(peer)["state"] == "destroyed"
        assert peer.ask("a", A, "/hello", "POST").status == 404


class TestFarm:
    """What the script of a farm asks for, as the node of its guest passes it on."""

    AGENT: ClassVar = {"User-Agent": "wawel-farm"}

    @pytest.fixture(autouse=True)
    def farm(self, peer: Peer) -> None:
        """VM A is a head, VM B its worker."""
        made = (
            "INSERT INTO farm (uuid, account_id, name, host, public_key, worker_template_id)"
            " SELECT :u, account_id, 'sums', 'sums', :k, template_id FROM vm WHERE id = :a"
        )
        uuid = "dddddddd-0000-4000-8000-00000000000d"
        change(peer.database, made, u=uuid, k=public_key(b"", uuid), a=peer.ids["A"])
        for number, name in enumerate("AB"):
            join = "UPDATE vm SET farm_id = (SELECT id FROM farm), farm_number = :n WHERE id = :id"
            change(peer.database, join, n=number, id=peer.ids[name])

    def test_key(self, peer: Peer) -> None:
        """The head's own script gets it after each boot, by POST; no other program, and no worker."""
        for _ in range(2):
            told = peer.ask("a", A, "/farm/key", "POST", **self.AGENT)
            assert told.status == 200 and told.body.startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")
        assert peer.ask("a", A, "/farm/key", **self.AGENT).status == 405
        assert peer.ask("a", A, "/farm/key", "POST", **{"User-Agent": "curl/8"}).status == 401
        assert peer.ask("b", B, "/farm/key", "POST", **self.AGENT).status == 404
        cloud_init = {"User-Agent": "Cloud-Init/22.4"}
        vendor = peer.ask("a", A, "/nocloud/vendor-data", **cloud_init)
        assert vendor.status == 200 and b"PRIVATE KEY-----" not in vendor.body
        change(peer.database, "UPDATE farm SET shared_key = true")
        assert peer.ask("b", B, "/farm/key", "POST", **self.AGENT).status == 200

    def test_none(self, peer: Peer) -> None:
        """Within a VM of a saved head's image the script hears that there is no farm, and there is no key either."""
        assert peer.ask("a", A, "/farm/hosts").body.startswith(A.encode())
        change(peer.database, "UPDATE vm SET farm_id = NULL, farm_number = NULL WHERE id = :id", id=peer.ids["A"])
        assert peer.ask("a", A, "/farm/hosts", **self.AGENT).body == b"none\n"
        assert peer.ask("a", A, "/farm/hosts").status == 404
        assert peer.ask("a", A, "/farm/key", "POST", **self.AGENT).status == 404
