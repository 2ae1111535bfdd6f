"""
Wawel's agent for guests: does what the owners of its VM ask of the guest, and tells how the guest is.

A program of its own, which is copied to guests as one file (``install.py`` makes it): Python 3.9 and its standard
library alone, and nothing of ours but by relative imports. ``asking.py`` calls the endpoint, ``actions.py`` lists what
it can do; ``accounts.py``, ``machine.py``, ``shares.py`` and ``facts.py`` do it, by ``system.py``; ``updating.py``
replaces the program itself.
"""
