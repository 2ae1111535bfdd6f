"""
The journal of work: what operations are (``base.py``), who works them (``engine.py``), and one module per kind of work.
"""

from __future__ import annotations

import importlib
import importlib.util

MODULES = ("vm_launch", "vm_end", "vm_power", "image_import", "image_delete", "storage_attach")


def register_kinds() -> None:
    """Import every kind's module, which registers it."""
    for name in MODULES:
        if importlib.util.find_spec(f"cm.operations.{name}") is None: continue  # TEMP
        importlib.import_module(f"cm.operations.{name}")
