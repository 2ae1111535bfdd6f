"""
The web portal as ``wawel-clm`` serves it, at ``/ui/``: files that are built from ``web`` (``files.py``) and a browser's
session (``session.py``). It knows the wire alone: what a page does goes by the calls that everybody else makes.
"""
