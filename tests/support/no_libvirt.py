"""``pytest -p support.no_libvirt``: as on a machine without libvirt's binding for Python."""

from __future__ import annotations

import sys

sys.modules.update(dict.fromkeys(("libvirt", "libvirtmod")))  # importing what is None there fails
