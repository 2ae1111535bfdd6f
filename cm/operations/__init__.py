"""
The journal of work: what operations are (``base.py``), who works them (``engine.py``), and one module per kind of work.
"""

from __future__ import annotations

import importlib
import pkgutil


def register_kinds() -> None:
    """Import every module here: those of kinds register them."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
