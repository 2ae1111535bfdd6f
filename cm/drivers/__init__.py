"""
The outside, behind ``cm/interfaces``. May import ``interfaces``, ``rules``, ``rpc`` vocabulary and errors,
``runtime``.

``open.py`` makes a node's driver from its URI; start there. ``libvirt/`` is the real one, ``memory/`` its stand-in for
tests and simulation, ``images/`` looks at and fetches disk images. Everything blocks; callers run it on threads.
"""
