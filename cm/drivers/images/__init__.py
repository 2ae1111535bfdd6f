"""
Disk images before they come to a storage. ``inspect.py`` reads headers (each format's in a module of its own,
``packing.py`` those of archives) and refuses what must not come near QEMU; ``fetch.py`` imports by URL under the rules
of ``policy.py``, ``local.py`` from directories of this machine; ``qemu_img.py`` runs qemu-img on a short leash.
"""
