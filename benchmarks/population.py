"""
Ten thousand running VMs, without starting each: rows as ``user.vm.create`` leaves them, claims that balance, summaries
made by the function that always makes them, and a domain for each in the nodes' libvirtd.

One VM is created in the ordinary way; the others are its likes.
"""

from __future__ import annotations

import re
import threading
import uuid
from typing import Any

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from cm.store.claim import leaks
from cm.store.vm import render_vm
from lab.cloud import DATABASE, Cloud
from lab.processes import wait_until
from lab.steps import Steps

_ROWS = """
INSERT INTO vm (name, description, account_id, image_id, template_id, reservation_id, cpu, memory_mib, secret, wanted,
                on_poweroff, seen, seen_reason, seen_at, launched_at, launches, node_id, node_claimed)
SELECT 'vm-' || g, description, account_id, image_id, template_id, gen_random_uuid(), cpu, memory_mib,
       md5(g::text || random()), wanted, on_poweroff, seen, seen_reason, seen_at, launched_at, launches,
       nodes[1 + g % cardinality(nodes)], true
  FROM vm, generate_series(1, {count}) g,
       (SELECT array_agg(id ORDER BY id) AS nodes FROM node WHERE deleted_at IS NULL) n
 WHERE id = {model};
INSERT INTO disk (vm_id, storage_id, image_id, volume, device, bus, format, mode, size_bytes, made)
SELECT v.id, d.storage_id, d.image_id, 'vm-' || v.uuid || '-root.qcow2', d.device, d.bus, d.format, d.mode,
       d.size_bytes, true
  FROM vm v, disk d WHERE d.vm_id = {model} AND v.id > {model};
UPDATE network_lease l SET vm_id = v.id
  FROM (SELECT id, row_number() OVER (ORDER BY id) AS number FROM vm WHERE id > {model}) v,
       (SELECT id, row_number() OVER (ORDER BY pool_id, address) AS number FROM network_lease WHERE vm_id IS NULL) f
 WHERE l.id = f.id AND v.number = f.number;
UPDATE vnc_port p SET vm_id = v.id
  FROM (SELECT id, node_id, row_number() OVER (PARTITION BY node_id ORDER BY id) AS number FROM vm
         WHERE id > {model}) v,
       (SELECT node_id, port, row_number() OVER (PARTITION BY node_id ORDER BY port) AS number FROM vnc_port
         WHERE vm_id IS NULL) f
 WHERE p.node_id = f.node_id AND p.port = f.port AND v.node_id = f.node_id AND v.number = f.number;
UPDATE node n SET (cpu_used, memory_mib_used, vms_used) =
       (SELECT sum(cpu), sum(memory_mib), count(*) FROM vm WHERE node_id = n.id AND node_claimed);
UPDATE account a SET (used_cpu, used_memory_mib, used_vms, used_storage_mib) =
       (SELECT sum(v.cpu), sum(v.memory_mib), count(*), sum(ceil(d.size_bytes / 1048576.0))
          FROM vm v JOIN disk d ON d.vm_id = v.id WHERE v.account_id = a.id)
 WHERE id = (SELECT account_id FROM vm WHERE id = {model});
UPDATE storage s SET claimed_bytes = (SELECT sum(size_bytes) FROM disk WHERE storage_id = s.id)
       + (SELECT coalesce(sum(claimed_bytes), 0) FROM image WHERE storage_id = s.id AND deleted_at IS NULL);
"""


def populate(cloud: Cloud, count: int, steps: Steps) -> list[int]:
    """
    Fill a cloud of test nodes with that many VMs more than the one which it makes first. The cluster manager is down
    meanwhile, so what starts again afterwards is a fresh process.

    :return: the VMs' ids.
    """
    model = cloud.create(name="vm-0")
    cloud.wait_for(model["vm_id"], "running")
    # The test driver forgets everything when the last client leaves it.
    held = [node.open() for node in cloud.nodes]
    cloud.stop_cm()
    with steps.step(f"writing {count} VMs"):
        cloud.sql(_ROWS.format(count=count, model=model["vm_id"]))
        cloud.sql("ANALYZE")
    engine = create_engine(cloud.postgres.url(DATABASE))
    try:
        with Session(engine) as session:
            rows = session.execute(text("SELECT id, uuid::text, node_id FROM vm ORDER BY id")).all()
            with steps.step("rendering their summaries"):
                for number, (vm_id, _, _) in enumerate(rows):
                    render_vm(session, vm_id)
                    if number % 500 == 0:
                        session.commit()
                session.commit()
            found = leaks(session)
            if found:
                raise RuntimeError(f"the books do not balance: {found[:3]}")
        with steps.step("defining and starting their domains"):
            _start_domains(cloud, model["uuid"], [(i, u, n) for i, u, n in rows if u != model["uuid"]])
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM ANALYZE"))
    finally:
        engine.dispose()
    with steps.step("starting the cluster manager"):
        cloud.start_cm()
    wait_until(lambda: _all_passed(cloud), "a pass over every node", 60)
    for connection in held:
        connection.close()
    return [vm_id for vm_id, _, _ in rows]


def _all_passed(cloud: Cloud) -> bool:
    """Whether every node was looked at since the cluster manager started, and its VMs were found as recorded."""
    found = cloud.sql(
        "SELECT count(*) FILTER (WHERE passed_at > (SELECT max(started_at) FROM worker)), count(*),"
        " (SELECT count(*) FROM drift WHERE closed_at IS NULL AND kind <> 'unknown_domain') FROM node"
    )[0]
    return found[0] == found[1] and found[2] == "0"


def _start_domains(cloud: Cloud, model: str, wanted: list[tuple[int, str, int]]) -> None:
    """Domains like the model's, on the nodes where their VMs are placed; a thread per node."""
    xml = next(filter(None, (_find_xml(node, model) for node in cloud.nodes)))
    failures: list[BaseException] = []

    def work(node: Any) -> None:
        try:
            connection = node.open()
            for vm_id, own, node_id in wanted:
                if node_id == node.node_id:
                    connection.defineXML(_like(xml, model, vm_id, own)).create()
            connection.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(node,)) for node in cloud.nodes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def _find_xml(node: Any, own: str) -> str | None:
    import libvirt

    connection = node.open()
    try:
        xml: str = connection.lookupByUUIDString(own).XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        return xml
    except libvirt.libvirtError:
        return None
    finally:
        connection.close()


def _like(xml: str, model: str, vm_id: int, own: str) -> str:
    mac = "02:" + ":".join(uuid.UUID(own).hex[at : at + 2] for at in range(0, 10, 2))
    xml = xml.replace(model, own)
    xml = re.sub(r"<name>.*?</name>", f"<name>vm-{vm_id}</name>", xml, count=1)
    return re.sub(r"<mac address='.*?'/>", f"<mac address='{mac}'/>", xml, count=1)
