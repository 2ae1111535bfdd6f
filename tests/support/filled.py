"""
A cluster that has lived for years, in bounded size: thousands of closed VMs with all that their lives wrote, and beside
them what lives now.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import create_engine

from lab import lives
from support.cloud import MemoryCloud

CLOSED: Final = 20_000
LIVE: Final = 30
IMAGES: Final = 40
USERS: Final = 100  # they share the closed VMs; "other" has none, "user" has a twentieth


def fill(cloud: MemoryCloud) -> None:
    """Fill a cloud that lives, and let the planner see it."""
    for _ in range(LIVE):
        cloud.create(name="alive")
    newest = cloud.sql("SELECT max(id) FROM vm")
    with cloud.manager.database.engine.begin() as connection, lives.triggers_off(connection):
        users = lives.add_users(connection, USERS)
        lives.add_images(connection, IMAGES, cloud.image_id)
        lives.add_closed(
            connection, CLOSED, newest, users, cloud.user_id, image=cloud.image_id, template=cloud.template_id,
            first=newest, gap=CLOSED + 1,
        )  # fmt: skip
    vacuum(cloud)


def vacuum(cloud: MemoryCloud) -> None:
    """What the server does by itself a while after many changes: the planner knows what there is."""
    engine = create_engine(cloud.manager.database.url, isolation_level="AUTOCOMMIT")  # the manager's are transactional
    with engine.connect() as connection:
        lives.vacuum(connection)
    engine.dispose()
