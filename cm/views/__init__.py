"""
What callers may ask of a cluster, as on the wire: guest, user, admin. A view is all that it says of itself (name,
types, what it does with whose object), and hands on to a use case, or to the store where a query is all there is to it.

Open first ``user/vm.py``. May import ``services``, ``store``, ``results``, ``rules``, ``rpc`` and ``runtime``.
"""
