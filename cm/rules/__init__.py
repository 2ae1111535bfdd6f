"""
Decisions: pure functions over frozen records, and the tables that they read.

Open first ``vm.py``. May import the wire's words and errors, and no library beside Python's own.
"""
