"""A cloud of two clusters whose parts die, hang, lie and come back, as its users see it; with real processes."""

from __future__ import annotations

import http.client
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import pytest

from cm.rpc.caller import Identity
from cm.rpc.client import RpcClient
from cm.rpc.errors import CloudError, Unavailable
from cm.rpc.keys import ensure_signing_key
from cm.rpc.token import TokenSigner
from cm.rpc.vocabulary import Role
from lab.credentials import Account
from lab.federation import Cluster, Federation
from lab.processes import wait_until

DEADLINE_S = 2.0                                                         # of each cluster in a list of all
SETTINGS = {"clusters": {"deadline_s": 4.0, "list_deadline_s": DEADLINE_S, "check_s": 1.0, "sync_s": 2.0}}


@pytest.fixture(scope="module")
def cloud(start_federation) -> Federation:
    made: Federation = start_federation(hypervisor="test", durable=False, settings=SETTINGS)
    for cluster in made.clusters:
        cluster.wait_running(cluster.create(name=f"of-{cluster.name}")["vm_id"], contextualized=False)
    return made


@pytest.fixture(autouse=True)
def whole(cloud: Federation) -> Iterator[None]:
    """Whatever a test did, the next one finds all parts at work."""
    yield
    cloud.clm.start()
    for cluster in cloud.clusters:
        cluster.resume_cm()
        cluster.start_cm()
        wait_until(lambda name=cluster.name: health(cloud, name) == "ok", f"{cluster.name}'s recovery", 30, pause=0.1)


@pytest.fixture
def south(cloud: Federation) -> Cluster:
    return cloud.cluster("south")


def health(cloud: Federation, name: str) -> str:
    found = cloud.user.call("user.cluster.get_list")
    return next(str(each["state"]) for each in found if each["name"] == name)


def list_all(cloud: Federation) -> tuple[set[str], dict[str, str], float]:
    """The names of the VMs of all clusters, the codes of the clusters that did not answer, and the seconds it took."""
    began = time.monotonic()
    told = cloud.user.call("user.vm.get_list", {"cluster": "*"})
    took = time.monotonic() - began
    for each in told["items"]:
        assert each["cluster"] == each["name"].removeprefix("of-")
    return {each["name"] for each in told["items"]}, {each["cluster"]: each["code"] for each in told["missing"]}, took


def refused_soon(call: Callable[[], object], within_s: float = 1.0) -> str:
    """
    The code by which a call is refused, now or in a moment: other processes, and the cluster, hear of a change by a
    notification that follows the answer to who made it.
    """
    until = time.monotonic() + within_s
    while True:
        try:
            call()
        except CloudError as error:
            return error.code
        assert time.monotonic() < until, "it was not refused"


def assert_north_alone(cloud: Federation, code: str) -> None:
    """A list of all has north's answer and names south as missing, in time; again and again, and ever quicker."""
    for _ in range(3):
        names, missing, took = list_all(cloud)
        assert names == {"of-north"} and missing == {"south": code}
        assert took < DEADLINE_S * 1.1
    assert took < 1.5                                                    # one that failed a moment ago gets a second
    began = time.monotonic()
    assert cloud.cluster("north").vm(1)["name"] == "of-north"
    assert time.monotonic() - began < 1
    wait_until(lambda: health(cloud, "south") == "unreachable", "the word of south's failure", 10, pause=0.1)


def test_dead(cloud: Federation, south: Cluster) -> None:
    """A cluster's manager is killed: the others' answers come, and it is named; started again it is back by itself."""
    assert list_all(cloud)[:2] == ({"of-north", "of-south"}, {})
    south.kill_cm()
    assert_north_alone(cloud, "cluster_unavailable")
    with pytest.raises(Unavailable, match="south"):
        south.user.call("user.vm.get_list")
    south.start_cm()
    wait_until(lambda: health(cloud, "south") == "ok", "south's recovery", 15, pause=0.1)
    assert list_all(cloud)[:2] == ({"of-north", "of-south"}, {})


def test_hung(cloud: Federation, south: Cluster) -> None:
    """A manager that takes connections and answers nothing holds nobody longer than the deadline."""
    south.pause_cm()
    assert_north_alone(cloud, "cluster_unavailable")
    south.resume_cm()
    wait_until(lambda: health(cloud, "south") == "ok", "south's recovery", 15, pause=0.1)
    assert list_all(cloud)[:2] == ({"of-north", "of-south"}, {})


@contextmanager
def answering(port: int, told: Any) -> Iterator[str]:
    """Somebody else's HTTP server on a port: it answers everything with these bytes, or with what a function makes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = told(json.loads(asked)) if callable(told) else told
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def of_the_future(asked: dict[str, Any]) -> bytes:
    """A cluster manager of a protocol that nobody speaks yet."""
    info = {"name": "south", "version": "99.0", "protocol": 99, "time": "2099-01-01T00:00:00.000000Z"}
    return json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": info}).encode()


@pytest.mark.parametrize("rubbish", [
    b"<html>It works!</html>", b"\xff\xfe\x00", b"{}", b'{"jsonrpc": "2.0", "id": 987654321, "result": []}',
    b"[" * 10_000,
])  # fmt: skip
def test_rubbish(cloud: Federation, south: Cluster, rubbish: bytes) -> None:
    """What answers at a cluster's address is something else: that cluster is missing, the others are not."""
    south.kill_cm()
    with answering(urlsplit(south.url).port or 0, rubbish):
        names, missing, took = list_all(cloud)
        assert (names, missing) == ({"of-north"}, {"south": "cluster_unavailable"})
        assert took < DEADLINE_S * 1.1


def test_other_version(cloud: Federation, south: Cluster) -> None:
    """A cluster that comes back in another version is said to be so, and no call is passed on to it."""
    south.kill_cm()
    with answering(urlsplit(south.url).port or 0, of_the_future):
        wait_until(lambda: health(cloud, "south") == "incompatible", "the look at south", 15, pause=0.1)
        names, missing, _ = list_all(cloud)
        assert (names, missing) == ({"of-north"}, {"south": "cluster_incompatible"})
        with pytest.raises(CloudError) as refused:
            south.create(name="too-late")
        assert refused.value.code == "cluster_incompatible"


@pytest.mark.parametrize("told, code", [
    (b"<html>It works!</html>", "cluster_unavailable"), (of_the_future, "cluster_incompatible"),
])  # fmt: skip
def test_add_stranger(cloud: Federation, told: Any, code: str) -> None:
    """What does not prove to be a cluster of ours is not added."""
    before = cloud.admin.call("cloud.cluster.get_list")
    with answering(0, told) as url:
        with pytest.raises(CloudError) as refused:
            cloud.admin.call("cloud.cluster.add", {"name": "south-2" if told is not of_the_future else "south-3",
                                                   "url": url, "login": "admin", "password": "not for strangers"})
    assert refused.value.code in (code, "cluster_not_added")
    assert [each["name"] for each in cloud.admin.call("cloud.cluster.get_list")] == [each["name"] for each in before]


def test_locked(cloud: Federation, south: Cluster) -> None:
    """Nothing is passed on to a locked cluster until it is unlocked; the others go on."""
    found = cloud.admin.call("cloud.cluster.get_list")
    cluster_id = next(each["cluster_id"] for each in found if each["name"] == "south")
    cloud.admin.call("cloud.cluster.lock", {"cluster_id": cluster_id})
    try:
        assert refused_soon(lambda: south.user.call("user.vm.get_list")) == "cluster_locked"
        with pytest.raises(CloudError) as refused:
            south.create(name="locked-out")
        assert refused.value.code == "cluster_locked"
        names, missing, _ = list_all(cloud)
        assert (names, missing) == ({"of-north"}, {"south": "cluster_locked"})
        assert health(cloud, "south") == "locked"
    finally:
        cloud.admin.call("cloud.cluster.unlock", {"cluster_id": cluster_id})
    wait_until(lambda: health(cloud, "south") == "ok", "south's return", 15, pause=0.1)
    assert list_all(cloud)[:2] == ({"of-north", "of-south"}, {})


def test_restarted_manager(cloud: Federation) -> None:
    """Sessions and API keys outlive the cloud manager's crash."""
    key = cloud.user.call("user.api_key.create", {"name": "lasting", "scope": ["all"]})
    by_key = cloud.clm.keep(RpcClient(cloud.clm.url, token=key["key"]))
    assert by_key.call("user.account.get")["login"] == "demo"
    cloud.clm.kill()
    with pytest.raises(Unavailable):
        cloud.user.call("user.vm.get_list", {"cluster": "*"})
    cloud.clm.start()
    for client in (cloud.user, by_key):
        assert client.call("user.account.get")["login"] == "demo"
        assert len(client.call("user.vm.get_list", {"cluster": "*"})["items"]) == 2
    assert {each["name"]: each["state"] for each in cloud.user.call("user.cluster.get_list")} == {
        "north": "ok", "south": "ok",
    }  # fmt: skip
    cloud.user.call("user.api_key.delete", {"api_key_id": key["api_key_id"]})


def signed(cloud: Federation, cluster: Cluster, user_id: int, login: str) -> str:
    """A caller token as the cloud manager makes them, with its own key."""
    key = ensure_signing_key(cloud.clm.state_dir / "caller.key", "clm")
    signer = TokenSigner(key.private_pem, key.key_id, "clm:demo")
    return signer.sign(Identity(user_id, login, frozenset({Role.USER})), cluster.name)


class Events:
    """A subscriber of the cloud manager's feed, in a thread of its own."""

    def __init__(self, cloud: Federation, cursor: str = "") -> None:
        parts = urlsplit(cloud.clm.url)
        self.cursor = cursor
        self.seen: list[tuple[str, str, str]] = []                       # kind, name of the object, event
        self._connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)
        token = cloud.clm.token(cloud.credentials.user)
        self._connection.request("GET", "/events" + (f"?cursor={cursor}" if cursor else ""),
                                 headers={"Authorization": f"Bearer {token}"})
        self._response = self._connection.getresponse()
        assert self._response.status == 200, self._response.read()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        event: dict[str, str] = {}
        try:
            for raw in self._response:
                line = raw.decode().rstrip("\r\n")
                if line:
                    name, _, value = line.partition(": ")
                    event[name] = value
                    continue
                self._take(event)
                event = {}
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass                                                         # its end, or ours

    def _take(self, event: dict[str, str]) -> None:
        if "data" in event and event.get("event") in ("enter", "change", "exit"):
            told = json.loads(event["data"])
            self.seen.append((told["kind"], (told["object"] or {}).get("name", ""), event["event"]))
        self.cursor = event.get("id", self.cursor)

    def entered(self, prefix: str) -> list[str]:
        return sorted(name for kind, name, event in list(self.seen) if event == "enter" and name.startswith(prefix))

    def close(self) -> None:
        if self._connection.sock is not None:
            self._connection.sock.shutdown(2)
        self._thread.join(10)
        self._connection.close()


def test_cursor(cloud: Federation) -> None:
    """A feed taken up again after the manager's crash loses nothing of any cluster's, and repeats nothing."""
    north, south = cloud.clusters
    first = Events(cloud)
    made = [(north, north.create(name="seen-1")["vm_id"]), (south, south.create(name="seen-2")["vm_id"])]
    wait_until(lambda: first.entered("seen-") == ["seen-1", "seen-2"], "the first events", 20, pause=0.05)
    cloud.clm.kill()
    first.close()
    # The clusters go on while nobody listens to them.
    with RpcClient(north.url, token=signed(cloud, north, cloud.user_id, "demo")) as direct:
        params = {"name": "seen-3", "description": "", "image_id": north.image_id,
                  "template_id": north.template_ids["tiny"]}
        made.append((north, direct.call("user.vm.create", params)[0]["vm_id"]))
    cloud.clm.start()
    made.append((south, south.create(name="seen-4")["vm_id"]))
    second = Events(cloud, first.cursor)
    made.append((north, north.create(name="seen-5")["vm_id"]))
    try:
        wait_until(lambda: len(second.entered("seen-")) >= 3, "the missed events", 20, pause=0.05)
        time.sleep(0.5)                                                  # for one that would be a repetition
        assert second.entered("seen-") == ["seen-3", "seen-4", "seen-5"]
    finally:
        second.close()
        for cluster, vm_id in made:
            cluster.user.call("user.vm.destroy", {"vm_ids": [vm_id]})
            cluster.wait_for(vm_id, "destroyed")


def test_killed_between(cloud: Federation, south: Cluster) -> None:
    """The cloud manager dies between a create's way down and its answer: repeated, it is the same VM, and one only."""
    params = {"name": "once", "description": "", "image_id": south.image_id, "template_id": south.template_ids["tiny"]}
    south.pause_cm()
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            south.user.call("user.vm.create", params, request_id="federation-once")
        except Unavailable as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.7)                                                      # it lies in the socket of the one that hangs
    cloud.clm.kill()
    asking.join(20)
    assert failed
    south.resume_cm()
    cloud.clm.start()
    made = repeat(south, params, "federation-once")
    assert repeat(south, params, "federation-once") == made
    names = [vm["name"] for vm in south.user.call("user.vm.get_list")]
    assert sorted(names) == ["of-south", "once"]
    south.wait_running(made[0]["vm_id"], contextualized=False)
    south.user.call("user.vm.destroy", {"vm_ids": [made[0]["vm_id"]]})
    south.wait_for(made[0]["vm_id"], "destroyed")
    assert south.sql("SELECT count(*) FROM vm WHERE name = 'once'") == [["1"]]


def repeat(cluster: Cluster, params: dict[str, Any], request_id: str) -> Any:
    """Ask until there is an answer."""
    until = time.monotonic() + 30
    while True:
        try:
            return cluster.user.call("user.vm.create", params, request_id=request_id)
        except Unavailable:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def test_revoked_key(cloud: Federation) -> None:
    """An API key works until it is deleted, and not once more; on an open connection too."""
    key = cloud.user.call("user.api_key.create", {"name": "short", "scope": ["all"]})
    client = cloud.clm.keep(RpcClient(cloud.clm.url, token=key["key"]))
    assert client.call("user.vm.get_list", {"cluster": "south"})
    cloud.user.call("user.api_key.delete", {"api_key_id": key["api_key_id"]})
    for method, params in (("user.vm.get_list", {"cluster": "south"}), ("user.account.get", {})):
        assert refused_soon(partial(client.call, method, params)) == "not_authenticated"


def test_blocked_user(cloud: Federation, south: Cluster) -> None:
    """Who is blocked is refused at the next call: by the cloud, and by the cluster with a token signed before."""
    account = Account("mallory", "correct horse battery")
    user_id = cloud.add_user(account)
    client = cloud.clm.client(account)
    assert client.call("user.vm.get_list", {"cluster": "south"}) == []
    before, *kept = [signed(cloud, south, user_id, account.login) for _ in range(100)]
    with RpcClient(south.url, token=before) as direct:
        assert direct.call("user.vm.get_list") == []
    cloud.admin.call("cloud.user.block", {"user_id": user_id, "block": True})
    assert refused_soon(lambda: client.call("user.vm.get_list", {"cluster": "south"})) == "not_authenticated"
    assert refused_soon(lambda: client.call("user.account.get")) == "not_authenticated"

    def ask_cluster() -> None:
        with RpcClient(south.url, token=kept.pop()) as direct:
            direct.call("user.vm.get_list")

    assert refused_soon(ask_cluster, 2.0) == "account_blocked"
    with RpcClient(south.url, token=before) as direct:
        with pytest.raises(CloudError, match="used before"):
            direct.call("user.vm.get_list")
    with pytest.raises(CloudError) as refused:
        cloud.clm.log_in(account)
    assert refused.value.code == "account_blocked"


def test_nothing_left(cloud: Federation) -> None:
    """After all that, the two VMs of the beginning are there and nothing else; destroyed, they leave nothing."""
    live = {cluster.name: [vm["uuid"] for vm in cluster.user.call("user.vm.get_list")] for cluster in cloud.clusters}
    assert [len(uuids) for uuids in live.values()] == [1, 1]
    assert cloud.check_leaks(live) == []
    for cluster in cloud.clusters:
        vm_id = cluster.user.call("user.vm.get_list")[0]["vm_id"]
        cluster.user.call("user.vm.destroy", {"vm_ids": [vm_id]})
        cluster.wait_for(vm_id, "destroyed")
    assert cloud.check_leaks() == []
