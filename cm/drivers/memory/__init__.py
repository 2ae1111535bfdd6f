"""
A node in memory, for tests and simulation, true to what libvirt does (the contract suites run on both).

``node.py`` is the provider and has the knobs; ``world.py`` holds what outlives a lost connection; ``volume.py`` the
storages of it.
"""
