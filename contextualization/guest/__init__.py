"""
Guests, as they call us: ``requests.py`` has each path and what answers it, ``polls.py`` what our agent in them asks.

``agent`` is that agent: a program for guests, of Python's standard library alone, which imports nothing of ours;
``install.py`` makes one file of it.
"""
