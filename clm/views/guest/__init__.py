"""Views for anybody; each of them has a rate limit (``rules/limits.py``)."""
