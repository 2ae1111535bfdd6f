"""
Use cases: decide by rules, write with the store, act through drivers; what takes time becomes an operation.

Open first ``vm.py``. May import ``rules``, ``store``, ``results``, ``interfaces``, ``rpc`` and ``runtime``; SQL
stands in the store.
"""
