"""
What every program here stands on: threads, database transactions, settings, the log, metrics.

Open first ``threads.py``: everything that blocks runs there. Imports nothing of ours but ``rpc.errors``.
"""
