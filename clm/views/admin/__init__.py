"""Views for administrators of a cluster; most are passed on to it (``views/forward.py``)."""
