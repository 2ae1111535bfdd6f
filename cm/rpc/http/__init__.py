"""
HTTP, once for everything that listens: calls, event streams, what nodes and guests call back, health and metrics.

It knows neither calls nor nodes: who listens brings a resource. Open ``request.py`` first, then ``channel.py``.
"""
