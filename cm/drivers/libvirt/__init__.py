"""
Nodes by libvirt. ``node.py`` composes one node's driver; ``hypervisor.py``, ``pool.py``, ``volume.py`` and
``network.py`` are its parts; ``connection.py`` (``lane.py``, ``session.py``) keeps a node's connections; ``errors.py``
is the only place that reads libvirt's errors; ``domain_xml.py`` and ``pool_xml.py`` are the only places that make XML.
"""
