"""
The journal of work: what operations are (``base.py``), who works them (``engine.py``), and one module per kind of work.
"""

from __future__ import annotations

import importlib

MODULES = ("vm_launch", "vm_end", "vm_power", "vm_move", "image_import", "image_delete", "storage_attach")


def register_kinds() -> None:
    """Import every kind's module, which registers it."""
    for name in MODULES:
        importlib.import_module(f"cm.operations.{name}")
