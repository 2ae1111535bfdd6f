"""
What views answer with: a type per shape, with units, enumerations and what may be null, in the noun's module.

The types are dicts as they leave the store, so that nothing is converted on the way out; ``rpc.discover``, XML-RPC's
signatures and the typed client follow from them, and in the tests every answer is held against its own
(``tests/support/answers.py``). Values are as the database has them: an enumeration's is its text, to be compared by
``==``. Open first ``cm/rpc/fields.py``, the types of members that many have. May import that, the wire's words and the
rules.
"""
