"""
The wire: what crosses between programs, and how. No database, no libvirt.

Open first ``view.py`` (what a view is), ``errors`` (what a caller may be told) and ``caller.py`` (who calls, and how
one program calls another). ``dispatch.py`` is the way of one call from its name to its result; ``server.py`` puts it
behind HTTP in two dialects (``jsonrpc.py``, ``xmlrpc.py``), ``client.py`` is the other end. May import ``cm.runtime``.
"""
