"""Volumes, disks and attachments: what a cluster of before had, it has; and what the database itself refuses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from cm.daemon.migrate import migrate
from cm.rpc.vocabulary import DiskBus, DiskFormat, VolumeMode
from cm.store.domain import DiskPlan, domain_plan, root_storage, volume_plans
from cm.store.image import find_image, users_of
from cm.store.leak import leaks
from cm.store.saving import find_saved, root_disk
from cm.store.storage import content
from cm.store.volume import expected
from lab.postgres import PrivatePostgres
from postgres.test_schema import at_revision

MIB = 2**20

# Images: 1 what most VMs stand on, 2 a data disk, 3 an ISO, 4 what VM 2 is being saved to, 5 a failed import whose
# remains were removed, 6 one that is deleted, 7 another data disk, 8 an import under way, 9 one that is being deleted.
# VMs: 1 runs, with a disk and an ISO; 2 is being saved; 3 has ended; 4 was adopted, its disk stands alone; 5 is made
# by a full copy just now; 6 was copied, and stands alone; 7 has the ISO too, and two disks of its own.
BEFORE = f"""
INSERT INTO account (login, quota_cpu, quota_memory_mib, quota_storage_mib, quota_vms, used_cpu, used_memory_mib,
                     used_storage_mib, used_vms)
VALUES ('ann', 99, 99, 9999, 99, 6, 6, 1 + 2 + 1 + 10 + 10 + 5 + 10 + 10 + 10 + 10 + 1, 6), ('bob', 99, 99, 99, 99,
        0, 0, 7, 0);
INSERT INTO storage (name, kind, path, capacity_bytes, overcommit, claimed_bytes)
VALUES ('main', 'dir', '/srv/main', 999 * {MIB}, 1, {MIB} * (1 + 2 + 10 + 10 + 5 + 10 + 10 + 10 + 10 + 1 + 7)),
       ('fast', 'dir', '/srv/fast', 99 * {MIB}, 1, {MIB});
INSERT INTO node (name, address, uri, cpu_total, memory_mib_total, cpu_overcommit, memory_overcommit, cpu_used,
                  memory_mib_used, vms_used)
VALUES ('n1', '192.0.2.1', 'memory:///n1', 99, 99, 1, 1, 4, 4, 4);
INSERT INTO template (name, cpu, memory_mib) VALUES ('small', 1, 1);
INSERT INTO image (kind, name, account_id, storage_id, volume, format, size_bytes, claimed_bytes, state, video_device,
                   deleted_at)
VALUES ('system', 'debian', 1, 1, 'image-1.qcow2', 'qcow2', {MIB}, {MIB}, 'ok', 'cirrus', NULL),
       ('storage', 'data', 1, 1, 'image-2.raw', 'raw', 2 * {MIB}, 2 * {MIB}, 'ok', 'vga', NULL),
       ('iso', 'cd', 1, 2, 'image-3.iso', 'raw', {MIB}, {MIB}, 'ok', 'vga', NULL),
       ('system', 'saved', 1, 1, 'image-4.qcow2', 'qcow2', 10 * {MIB}, 10 * {MIB}, 'adding', 'vga', NULL),
       ('system', 'failed', 1, 1, 'image-5.new', 'raw', 0, 0, 'failed', 'vga', NULL),
       ('system', 'gone', 1, 1, 'image-1.qcow2', 'qcow2', 5, 0, 'deleted', 'vga', now()),
       ('storage', 'more', 2, 1, 'image-7.qcow2', 'qcow2', 7 * {MIB}, 7 * {MIB}, 'ok', 'vga', NULL),
       ('iso', 'coming', 1, 1, 'image-8.new', 'raw', 0, 0, 'adding', 'vga', NULL),
       ('storage', 'going', 1, 1, 'image-9.raw', 'raw', {MIB}, {MIB}, 'deleted', 'vga', NULL);
INSERT INTO vm (name, account_id, image_id, template_id, reservation_id, cpu, memory_mib, secret, node_id, node_claimed,
                save_image_id, closed_at)
SELECT 'vm', 1, i, 1, gen_random_uuid(), 1, 1, '', CASE WHEN claimed THEN 1 END, claimed, saved,
       CASE WHEN ended THEN now() END
  FROM (VALUES (1, true, NULL, false), (1, true, 4, false), (6, false, 6, true), (1, true, NULL, false),
               (1, true, NULL, false), (1, false, NULL, false), (1, false, NULL, false)) v (i, claimed, saved, ended);
INSERT INTO disk (vm_id, storage_id, image_id, volume, device, bus, format, mode, size_bytes, made, deleted_at)
SELECT v, 1, i, 'vm-' || v || '-' || device, device, bus, 'qcow2', mode, mib * {MIB}, made,
       CASE WHEN v = 3 THEN now() END
  FROM (VALUES (1, 1, 'vda', 'virtio', 'overlay', 10, true), (2, 1, 'sda', 'ide', 'overlay', 10, true),
               (3, 6, 'vda', 'virtio', 'overlay', 10, true), (4, NULL, 'vda', 'virtio', 'copy', 5, true),
               (5, 1, 'vda', 'virtio', 'copy', 10, false), (6, 1, 'vda', 'virtio', 'copy', 10, true),
               (7, 1, 'vdb', 'virtio', 'overlay', 10, true), (7, NULL, 'vda', 'virtio', 'overlay', 0, false)
       ) d (v, i, device, bus, mode, mib, made);
INSERT INTO image_attachment (vm_id, image_id, device, read_only)
VALUES (1, 3, 'sdw', true), (1, 2, 'vdb', false), (7, 3, 'sdw', true), (7, 7, 'vdc', false);
"""


@pytest.fixture(scope="module")
def engine(postgres: PrivatePostgres) -> Iterator[Engine]:
    """A cluster that was filled before, as it is now."""
    postgres.create_database("volumes_before")
    engine = create_engine(postgres.url("volumes_before"))
    with at_revision(engine, "0019") as connection:
        connection.exec_driver_sql(BEFORE)
    migrate(engine)
    yield engine
    engine.dispose()
    postgres.drop_database("volumes_before")


@pytest.fixture
def session(engine: Engine) -> Iterator[Session]:
    """In a transaction that is rolled back."""
    with closing(Session(engine)) as session:
        yield session


def test_books_balance(session: Session) -> None:
    """What was counted is counted, of as many images and disks."""
    assert leaks(session) == []
    assert (content(session, 1), content(session, 2)) == ((7, 7, 0, 0, 0), (1, 0, 0, 0, 0))


def test_domains_stay(session: Session) -> None:
    """A VM's domain has the disks that it had, at their places; the root disk is first."""
    plan = domain_plan(session, 1, "secret")
    root = DiskPlan(("wawel-1", "vm-1-vda"), DiskFormat.QCOW2, "vda", DiskBus.VIRTIO, False, False, 1)
    data = DiskPlan(("wawel-1", "image-2.raw"), DiskFormat.RAW, "vdb", DiskBus.VIRTIO, False, False, None)
    iso = DiskPlan(("wawel-2", "image-3.iso"), DiskFormat.RAW, "sdw", DiskBus.SATA, True, True, None)
    assert plan.disks == (root, data, iso) and plan.spec.video == "cirrus"
    [other] = domain_plan(session, 2, "secret").disks
    assert (other.device, other.bus) == ("sda", DiskBus.IDE)
    assert [plan.volume for plan in volume_plans(session, 7)] == ["vm-7-vdb", "vm-7-vda"]
    assert volume_plans(session, 3) == () and root_storage(session, 3) is None


def test_bases_stay(session: Session) -> None:
    """What a volume stands on or is to be copied from is known; what stands alone needs nothing."""
    plans = {vm_id: volume_plans(session, vm_id)[0] for vm_id in (1, 4, 5, 6)}
    assert (plans[1].base, plans[1].made) == ("image-1.qcow2", True)
    assert (plans[5].base, plans[5].made, plans[5].mode) == ("image-1.qcow2", False, VolumeMode.COPY)
    assert plans[4].base is None and plans[6].base is None
    assert users_of(session, 1) == [1, 2, 5, 7] and users_of(session, 3) == [1, 7] and users_of(session, 7) == [7]


def test_images_stay(session: Session) -> None:
    """An image has the volume that it had; one that is deleted has none, and its name may be another's."""
    saved = find_saved(session, 4)
    assert saved is not None and (saved.volume, saved.state, saved.storage_id) == ("image-4.qcow2", "adding", 1)
    gone = find_saved(session, 6)
    assert gone is not None and gone.volume is None and find_image(session, 6) is None
    iso = find_image(session, 3, lock=True)
    assert iso is not None and (iso.storage_id, iso.volume, iso.size_bytes) == (2, "image-3.iso", MIB)
    failed = find_image(session, 5)
    assert failed is not None and failed.claimed_bytes == 0
    root = root_disk(session, 4)
    assert root is not None and (root.size_bytes, root.video_device) == (5 * MIB, "cirrus")
    live = expected(session, 1).live
    assert {"image-1.qcow2", "vm-1-vda", "vm-4-vda"} <= live and not {"image-4.qcow2", "vm-5-vda"} & live


def test_new_numbers(session: Session) -> None:
    """What is made from now on has numbers of its own."""
    for table in ("volume", "disk"):
        above = session.scalar(text(f"SELECT nextval('{table}_id_seq') > max(id) FROM {table}"))
        assert above, table


def test_back(engine: Engine) -> None:
    """The schema of before has it all again, but for disks of VMs that have ended."""
    images = "SELECT id, storage_id, volume, format, size_bytes, claimed_bytes FROM image WHERE deleted_at IS NULL"
    disks = "SELECT id, vm_id, volume, device, bus, mode, size_bytes, made FROM disk WHERE deleted_at IS NULL"
    attached = "SELECT vm_id, image_id, device, read_only FROM image_attachment"
    with at_revision(engine, "0019") as connection:
        back = [set(map(tuple, connection.execute(text(each)))) for each in (images, disks, attached)]
        assert (1, 1, "image-1.qcow2", "qcow2", MIB, MIB) in back[0] and len(back[0]) == 8
        assert (2, 2, "vm-2-sda", "sda", "ide", "overlay", 10 * MIB, True) in back[1] and len(back[1]) == 7
        assert back[2] == {(1, 3, "sdw", True), (1, 2, "vdb", False), (7, 3, "sdw", True), (7, 7, "vdc", False)}
    migrate(engine)
    with closing(Session(engine)) as session:
        assert leaks(session) == [] and users_of(session, 3) == [1, 7]


REFUSED = {
    "DELETE FROM volume WHERE name = 'image-1.qcow2'": "fk_image_volume_id|fk_volume_backing_id",
    "UPDATE image SET volume_id = NULL, deleted_at = now() WHERE id = 1;"
    " DELETE FROM volume WHERE name = 'image-1.qcow2'": "fk_volume_backing_id",
    "UPDATE image SET volume_id = NULL, deleted_at = now() WHERE id = 4;"
    " DELETE FROM volume WHERE name = 'vm-4-vda'": "fk_disk_volume_id",
    "DELETE FROM disk WHERE image_id = 3": "fk_attachment_disk_id",
    "UPDATE image SET volume_id = NULL, deleted_at = now() WHERE id = 3": "volume_id",
    "UPDATE image SET deleted_at = now() WHERE id = 1": "ck_image_live_has_volume",
    "UPDATE disk SET account_id = 2 WHERE image_id = 3": "fk_disk_image_id",
    "UPDATE disk SET volume_id = (SELECT volume_id FROM disk WHERE image_id = 7) WHERE image_id = 2": "uq_disk_volume",
    "INSERT INTO attachment (vm_id, number, disk_id, device, bus) SELECT 6, 1, id, 'vdb', 'virtio' FROM disk"
    " WHERE image_id = 2": "uq_attachment_writer",
    "INSERT INTO attachment (vm_id, number, disk_id, device, bus, read_only) SELECT 1, 9, id, 'vdz', 'virtio', true"
    " FROM disk WHERE image_id = 3": "uq_attachment_disk",
    "INSERT INTO attachment (vm_id, number, device, bus) VALUES (1, 9, 'vdz', 'virtio')": "drive_may_be_empty",
    "UPDATE attachment SET device = 'vda' WHERE vm_id = 1 AND number = 1": "uq_attachment_device",
    "UPDATE volume SET name = 'image-1.qcow2' WHERE name = 'vm-1-vda'": "uq_volume_storage_id_name",
    "UPDATE volume SET made = true WHERE name = 'vm-5-vda'": "copy_stands_alone",
    "UPDATE volume SET backing_id = id WHERE name = 'vm-1-vda'": "backs_another",
}


@pytest.mark.parametrize("statement", REFUSED, ids=range(len(REFUSED)))
def test_refused(session: Session, statement: str) -> None:
    """The database refuses what would leave a VM without its disk, or give a disk two writers, two places or none."""
    with pytest.raises(IntegrityError, match=REFUSED[statement]):
        session.connection().exec_driver_sql(statement)


def test_owner_follows(session: Session) -> None:
    """A disk that is in the catalogue is its entry's owner's, and lies where that says."""
    session.execute(text("UPDATE image SET account_id = 2 WHERE id = 3"))
    assert session.scalar(text("SELECT account_id FROM disk WHERE image_id = 3")) == 2
