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

from cm.store.leak import leaks
from cm.store.vm import render_vm
from lab import lives
from lab.cloud import DATABASE, Cloud
from lab.processes import wait_until
from lab.steps import Steps


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
    engine = create_engine(cloud.postgres.url(DATABASE))
    try:
        with steps.step(f"writing {count} VMs"):
            with engine.begin() as connection:
                lives.add_live(connection, count, model["vm_id"], [cloud.user_id])
            cloud.sql("ANALYZE")
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
            lives.vacuum(connection)
    finally:
        engine.dispose()
    with steps.step("starting the cluster manager"):
        cloud.start_cm()
    wait_until(lambda: all_passed(cloud), "a pass over every node", 60)
    for connection in held:
        connection.close()
    return [vm_id for vm_id, _, _ in rows]


def all_passed(cloud: Cloud) -> bool:
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
