"""
Disk images before they come to a storage. ``inspect.py`` reads headers (``qcow2.py`` those of qcow2) and refuses what
must not come near QEMU; ``fetch.py`` imports by URL under the rules of ``policy.py``, ``local.py`` from directories of
this machine; ``qemu_img.py`` runs qemu-img on a short leash.
"""
