"""The endpoint as a part of another program (``app.py``) or as one of its own (``main.py``)."""
