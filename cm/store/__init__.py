"""
Queries: a session in, records out. Whoever writes a column is found here, and no statement stands anywhere else.

Open first ``vm.py``. May import ``models``, ``results``, ``rules``, ``runtime`` and the wire's words and errors.
"""
