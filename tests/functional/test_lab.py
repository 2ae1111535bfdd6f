"""The lab itself: what every other functional test stands on."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

import pytest

pytest.importorskip("libvirt")

import libvirt

from lab import guests, image, uml
from lab.hosts import Host, Lab
from lab.keeper import born
from lab.network import accepts
from lab.places import LabProblem, find_program
from lab.postgres import PrivatePostgres, find_binaries
from lab.processes import find_lock, wait_until
from lab.sessions import TestDriverHost

BIN = Path(__file__).resolve().parents[2] / "bin"

libvirt.registerErrorHandler(lambda *_: None, None)


def lacking_postgres() -> str:
    try:
        find_binaries()
    except LabProblem as problem:
        return str(problem)
    return ""


def spawn_owner(code: str) -> subprocess.Popen[str]:
    """A process that makes something of the lab's, says a line about it, and then waits to be killed."""
    return subprocess.Popen(
        [sys.executable, "-u", "-c", f"import time\nfrom pathlib import Path\n{code}\ntime.sleep(600)"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": f"{BIN}:{BIN.parent}"},
    )


@unittest.skipIf(Lab.missing(), "; ".join(Lab.missing()))
class HostTests(unittest.TestCase):
    lab: Lab
    one: Host
    two: Host

    @classmethod
    def setUpClass(cls):
        cls.image = image.build()
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.one, cls.two = cls.lab.up(2, tcp=True)

    def connect(self, host: Host) -> libvirt.virConnect:
        connection = host.open()
        self.addCleanup(connection.close)
        return connection

    def test_answers(self):
        """Each host's libvirt answers over its UNIX socket and over TCP, under its own name, and offers no KVM."""
        for host in (self.one, self.two):
            connection = self.connect(host)
            self.assertEqual(connection.getHostname(), f"{host.name}.lab.test")
            self.assertNotIn("<domain type='kvm'", connection.getCapabilities())
            over_tcp = libvirt.open(host.tcp_uri)
            self.assertEqual(over_tcp.getHostname(), f"{host.name}.lab.test")
            over_tcp.close()

    def test_guest_survives_libvirtd(self):
        """The tiny guest boots from an overlay, and a libvirtd that was killed finds it again when it starts."""
        disk = guests.overlay(self.image.disk, self.lab.shared_dir / "survivor.qcow2")
        domain = self.connect(self.one).defineXML(guests.domain_xml("survivor", disk=disk))
        domain.create()
        guests.wait_for_marker(guests.console_log(self.one.log_dir, "survivor"), "TINY READY")
        before = {pid: born(pid) for pid in self.one.pids()}
        daemon = self.one.libvirtd_pid()
        self.one.kill_libvirtd()
        self.one.start_libvirtd()
        gone = [pid for pid, started in before.items() if born(pid) != started]
        self.assertEqual(gone, [daemon])
        domain = self.connect(self.one).lookupByName("survivor")
        wait_until(lambda: domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING, "the guest")
        domain.shutdown()
        wait_until(lambda: not domain.isActive(), "the guest's shutdown")

    def test_power_off(self):
        """A host without power leaves no process and no link; switched on again it has another boot id."""
        host = self.lab.host(3).boot()
        host.start_libvirtd()
        connection = self.connect(host)
        connection.createXML(guests.domain_xml("short", memory_mib=32), libvirt.VIR_DOMAIN_START_PAUSED)
        boot_id, processes = host.boot_id_file.read_text(), {pid: born(pid) for pid in host.pids()}
        self.assertGreaterEqual(len(processes), 3)
        host.power_off()
        self.assertEqual([pid for pid, started in processes.items() if born(pid) == started], [])
        self.assertFalse(Path(f"/sys/class/net/{self.lab.bridge}-3").exists())
        self.assertRaises(LabProblem, host.run, ["true"])
        host.boot()
        host.start_libvirtd()
        self.assertEqual(self.connect(host).listAllDomains(), [])
        self.assertNotEqual(host.boot_id_file.read_text(), boot_id)
        self.assertEqual(host.run(["cat", "/proc/sys/kernel/random/boot_id"]).stdout, host.boot_id_file.read_text())

    def test_unplug(self):
        """Without its cable a host is out of reach by TCP, and with it back in reach."""
        ping = ["ping", "-c", "1", "-W", "1", self.two.address]
        self.assertEqual(self.one.run(ping, check=False).returncode, 0)
        self.two.unplug()
        self.assertNotEqual(self.one.run(ping, check=False).returncode, 0)
        self.two.plug()
        wait_until(lambda: self.one.run(ping, check=False).returncode == 0, "the ping")

    def test_popen(self):
        """A signal reaches the program inside, not the one that brought it there."""
        program = self.one.popen(["sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.05; done"],
                                 stdout=subprocess.PIPE)
        assert program.stdout is not None
        self.assertEqual(program.stdout.readline(), b"up\n")
        program.terminate()
        self.assertEqual(program.wait(30), 7)
        program.stdout.close()


@unittest.skipIf(Lab.missing(), "; ".join(Lab.missing()))
class LabTests(unittest.TestCase):
    def assertNothingLeft(self, number: int, base: Path):
        left = [name for name in os.listdir("/sys/class/net") if f"{name}-".startswith(f"wlab{number}-")]
        self.assertEqual(left, [])
        self.assertFalse(base.exists())

    def test_two_at_once(self):
        """Two labs run side by side, each with its own network; one that closes leaves the other alone."""
        with Lab() as first:
            with Lab() as second:
                self.assertNotEqual(first.number, second.number)
                (one,), (two,) = first.up(1), second.up(1)
                self.assertNotEqual(one.address, two.address)
                self.assertFalse(accepts(socket.AF_INET, (one.address, 16509)))  # whoever calls there is root here
            self.assertNothingLeft(second.number, second.base)
            self.assertEqual(two.pids(), [])
            self.assertEqual(one.run(["hostname"]).stdout, "node1\n")
        self.assertNothingLeft(first.number, first.base)

    @unittest.skipIf(uml.missing(), "; ".join(uml.missing()))
    def test_uml(self):
        """
        A host with a kernel of its own runs programs and tells how they ended; one whose caller goes is killed, and
        all that it runs ends with it.
        """
        with Lab() as lab:
            host = lab.uml(1).boot()
            self.assertNotEqual(host.run(["uname", "-r"]).stdout.strip(), os.uname().release)
            self.assertEqual(host.run(["sh", "-c", "cat; exit 7"], check=False, input="told\n").stdout, "told\n")
            self.assertRaises(LabProblem, host.run, ["false"])
            program = host.popen(["sleep", "600"])
            wait_until(lambda: "sleep" in host.commands(), "the program")
            program.kill()
            program.wait()
            wait_until(lambda: "sleep 600" not in host.run(["ps", "-e", "-o", "args="]).stdout, "the program's end")
            kernel = host._init, born(host._init)
            host.power_off()
            self.assertNotEqual(born(kernel[0]), kernel[1])
            self.assertRaises(LabProblem, host.run, ["true"])
        self.assertNothingLeft(lab.number, lab.base)

    def start_owner(self) -> tuple[subprocess.Popen[str], int, Path, int]:
        owner = spawn_owner(
            "from lab.hosts import Lab\nlab = Lab()\nhost = lab.host(1).boot()\n"
            "print(lab.number, lab.base, max(host.pids()), lab._keeper._process.pid)"
        )
        assert owner.stdout is not None
        self.addCleanup(owner.stdout.close)
        number, base, inside, keeper = owner.stdout.readline().split()
        self.inside = (int(inside), born(int(inside)))
        return owner, int(number), Path(base), int(keeper)

    def test_owner_killed(self):
        """A lab whose owner is killed is removed by its keeper."""
        owner, number, base, _ = self.start_owner()
        owner.kill()
        owner.wait()
        wait_until(lambda: not base.exists(), "the keeper")
        self.assertNothingLeft(number, base)
        self.assertNotEqual(born(self.inside[0]), self.inside[1])

    def test_sweep(self):
        """A lab whose owner and keeper are both killed is found and removed by the sweep."""
        owner, number, base, keeper = self.start_owner()
        os.kill(keeper, signal.SIGKILL)
        owner.kill()
        owner.wait()
        wait_until(lambda: born(keeper) is None, "the keeper's end")     # the lock goes with it
        self.assertTrue(base.exists())
        self.assertIn(f"wlab{number}", Lab.sweep())
        self.assertNothingLeft(number, base)
        self.assertNotEqual(born(self.inside[0]), self.inside[1])


@unittest.skipIf(Lab.missing(), "; ".join(Lab.missing()))
class SharedMachineTests(unittest.TestCase):
    """Labs of other namespaces, and what is meant for a lab whose bridge has gone."""

    lab: Lab

    @classmethod
    def setUpClass(cls):
        cls.lab = Lab()
        cls.addClassCleanup(cls.lab.close)
        cls.lab.host(1).boot()

    def sweep_from(self, *namespaces: str, private: str = "") -> list[str]:
        """What a sweep in other namespaces says it removed; ``private``: directories it has for itself."""
        script = "".join(f"mount -t tmpfs tmpfs {each} && " for each in private.split())
        script += f"exec {sys.executable} -c 'from lab.hosts import Lab; print(*Lab.sweep())'"
        done = subprocess.run(["unshare", *namespaces, "sh", "-c", script], capture_output=True, text=True,
                              env={**os.environ, "PYTHONPATH": f"{BIN}:{BIN.parent}"}, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def assertAlive(self):
        self.assertTrue(self.lab.base.is_dir())
        ping = ["ping", "-c", "1", "-W", "2", self.lab.gateway]
        self.assertEqual(self.lab.hosts[1].run(ping, check=False).returncode, 0)

    def test_sweep_with_other_files(self):
        """A sweep that sees our links, and none of our files, leaves a living lab alone."""
        self.assertNotIn(self.lab.bridge, self.sweep_from("--mount", private=f"/run {self.lab.base}"))
        self.assertAlive()

    def test_sweep_with_other_links(self):
        """A sweep that sees our files, and none of our links, does so too; also when it has locks of its own."""
        self.sweep_from("--net")
        self.assertAlive()
        self.sweep_from("--net", "--mount", private="/run")
        self.assertAlive()

    def route_to(self, address: str) -> str:
        done = subprocess.run(["ip", "route", "get", address], capture_output=True, text=True)
        return done.stdout + done.stderr

    def test_bridge_gone(self):
        """Without its bridge a lab's range is unreachable, so that nothing meant for it takes the default route."""
        with Lab() as lab:
            self.assertIn(lab.bridge, self.route_to(lab.address(1)))
            subprocess.run(["ip", "link", "del", lab.bridge], check=True)
            self.assertIn("No route to host", self.route_to(lab.address(1)))
            self.assertIn("No route to host", self.route_to(lab.gateway))
        self.assertNotIn("No route to host", self.route_to(lab.address(1)))

    def test_owner_killed(self):
        """The range stays unreachable until the programs that call into it have ended, and no longer."""
        directory = tempfile.TemporaryDirectory(prefix="wawel-")
        self.addCleanup(directory.cleanup)
        lock = find_lock(Path(directory.name) / "lock")
        assert lock is not None
        owner = spawn_owner(f"from lab.hosts import Lab\nlab = Lab(users=Path({directory.name!r}))\n"
                            "print(lab.bridge, lab.address(1), lab.base)")
        assert owner.stdout is not None
        self.addCleanup(owner.stdout.close)
        bridge, address, base = owner.stdout.readline().split()
        owner.kill()
        owner.wait()
        wait_until(lambda: not Path(base).exists(), "the keeper")
        wait_until(lambda: bridge not in {name for _, name in socket.if_nameindex()}, "the bridge's end")
        self.assertIn("No route to host", self.route_to(address))
        os.close(lock)
        wait_until(lambda: "No route to host" not in self.route_to(address), "the keeper's end")

    def test_forwards_nothing(self):
        """The machine forwards nothing that comes from a lab's hosts."""
        for family in ("ipv4", "ipv6"):
            setting = Path(f"/proc/sys/net/{family}/conf/{self.lab.bridge}/forwarding")
            self.assertEqual(setting.read_text(), "0\n")


@unittest.skipIf(lacking_postgres(), lacking_postgres())
class PostgresTests(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="wawel-")
        self.addCleanup(directory.cleanup)
        os.chmod(directory.name, 0o755)
        self.base = Path(directory.name) / "postgres"

    def test_crash(self):
        """What was committed before a crash is there after it, on the same URL."""
        with PrivatePostgres(self.base) as server:
            url = server.create_database("first")
            server.psql("CREATE TABLE fact (n int); INSERT INTO fact SELECT generate_series(1, 1000)", "first")
            server.kill()
            self.assertFalse(server.running)
            self.assertRaises(LabProblem, server.psql, "SELECT 1")
            server.start()
            self.assertEqual(server.psql("SELECT count(*) FROM fact", "first"), "1000")
            self.assertEqual(server.url("first"), url)
            server.create_database("second", template="first")
            self.assertEqual(server.psql("SELECT count(*) FROM fact", "second"), "1000")
            server.drop_database("second")
            server.drop_database("second")
            self.assertRaises(LabProblem, server.psql, "SELECT 1", "second")

    def test_owner_killed(self):
        """A server whose owner is killed ends in order, and the next owner finds the data."""
        owner = spawn_owner(
            "from lab.postgres import PrivatePostgres\n"
            f"server = PrivatePostgres(Path({str(self.base)!r}), durable=False).start()\n"
            "server.create_database('kept')\nprint(server.pid)"
        )
        assert owner.stdout is not None
        self.addCleanup(owner.stdout.close)
        pid = int(owner.stdout.readline())
        started = born(pid)
        with self.assertRaisesRegex(LabProblem, "another process"):
            PrivatePostgres(self.base).start()
        owner.kill()
        owner.wait()
        with PrivatePostgres(self.base, durable=False) as server:        # waits for the keeper of the first
            self.assertNotEqual(born(pid), started)
            self.assertEqual(server.psql("SELECT 1", "kept"), "1")


@unittest.skipIf(find_program("libvirtd") is None, "libvirtd is missing; bin/bootstrap base installs it")
class TestDriverTests(unittest.TestCase):
    def test_domains(self):
        """Fifty domains live and die on libvirt's test driver, seen alike by two connections."""
        with TestDriverHost("unit") as host:
            first, second = host.open(), host.open()
            self.addCleanup(second.close)
            self.addCleanup(first.close)
            domains = [
                first.defineXML(f"<domain type='test'><name>vm-{n}</name><memory unit='MiB'>32</memory>"
                                "<os><type arch='x86_64'>hvm</type></os></domain>")
                for n in range(50)
            ]
            for domain in domains:
                domain.create()
            self.assertEqual(len(second.listAllDomains(libvirt.VIR_CONNECT_LIST_DOMAINS_ACTIVE)), 51)
            for domain in domains:
                domain.destroy()
                domain.undefine()
            self.assertEqual([domain.name() for domain in second.listAllDomains()], ["test"])

    def test_kill(self):
        """A killed daemon answers nobody; started again it is fresh, on the same URI."""
        with TestDriverHost("unit") as host:
            connection = host.open()
            connection.lookupByName("test").destroy()
            host.kill()
            self.assertRaises(libvirt.libvirtError, connection.getLibVersion)
            self.assertRaises(libvirt.libvirtError, host.open)
            host.start()
            fresh = host.open()
            self.assertTrue(fresh.lookupByName("test").isActive())
            fresh.close()
        self.assertFalse(host.base.exists())


@unittest.skipIf(lacking_postgres() or find_program("libvirtd") is None, "PostgreSQL or libvirtd is missing")
class FederationTests(unittest.TestCase):
    def test_owner_killed(self):
        """A cloud whose owner is killed ends with all its managers, hosts and its database, and its directory goes."""
        directory = tempfile.TemporaryDirectory(prefix="wawel-")
        self.addCleanup(directory.cleanup)
        os.chmod(directory.name, 0o755)
        base = Path(directory.name) / "cloud"
        owner = spawn_owner(
            "from lab.federation import Federation\n"
            f"cloud = Federation(Path({str(base)!r}), 1, hypervisor='test', durable=False).start()\n"
            "(cluster,) = cloud.clusters\n"
            "print(cloud.clm.daemon.pid, cluster.cm.pid, cloud.postgres.pid, cluster.nodes[0].host.pid)"
        )
        assert owner.stdout is not None
        self.addCleanup(owner.stdout.close)
        pids = [int(word) for word in owner.stdout.readline().split()]
        started = {pid: born(pid) for pid in pids}
        self.assertEqual(len(pids), 4)
        owner.kill()
        owner.wait()
        wait_until(lambda: not base.exists() and all(born(pid) != started[pid] for pid in pids), "the keepers")
