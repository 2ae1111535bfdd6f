"""
The lab: several real libvirt hosts, their guests and a private PostgreSQL on one machine, for the demo, the functional
tests and the benchmarks. Importable as ``lab`` when ``bin/`` is on the path; standard library and Debian's programs
only (``bin/bootstrap base hosts`` installs those), and nothing of the product: that is for ``cloud.py`` and
``federation.py``, which start a cloud, and for what stands on top of them.

Open ``hosts.py`` first. What belongs where:

- ``hosts.py``: ``Lab``, several libvirt hosts and their network; needs root. ``host.py``: ``Host``, one of them, made
  of namespaces; ``hostinit.sh`` is its process 1. ``network.py``: the claim on a free network, and its removal.
- ``uml.py``: ``UmlHost``, one with a kernel of its own (User Mode Linux), where that of this machine lacks something;
  ``umlinit.sh`` is its process 1, ``uml_shell.py`` runs programs in it. ``nfs.py``: ``NfsServer``, on one of the hosts.
- ``sessions.py``: ``TestDriverHost``, a libvirtd with libvirt's test driver; needs no rights at all.
- ``postgres.py``: ``PrivatePostgres``, a cluster of its own on a UNIX socket.
- ``image.py``: builds the tiny guest from ``guest/``; ``guests.py``: its overlays, domain XML and console markers.
- ``cloud.py``: ``Cloud``, one cluster of the product on top of the above. ``nodes.py``: its nodes, ``daemon.py``: its
  programs, ``config.py`` and ``credentials.py``: their files, ``furnish.py``: what an administrator does first,
  ``asking.py``: what its callers ask.
- ``federation.py``: ``Federation``, several clusters below a cloud manager. ``clm.py``: that one, ``console.py``: the
  program ``wawel``.
- ``demo.py``: ``bin/demo``. ``tour.py`` is what it shows of a federation, ``lone_tour.py`` of a lone cluster;
  ``steps.py`` prints its progress, ``hints.py`` what to try.
- ``keeper.py``: ends and removes all of it when its owner ends, in whatever way. ``processes.py`` and ``places.py``
  hold what the others share.
"""
