"""
What services and operations ask of the outside. Each interface has a memory provider and a real one; one contract suite
(``tests/contract``) runs on both.

All calls block and are run on the threads of their node (``runtime/threads.py``): those marked ``slow`` on threads and
connections of their own, so that they hold up only each other. Errors are those of ``rpc/errors``:
``NodeUnreachable`` always may arise, and then what was asked may or may not have happened.

``node.py`` has the whole of a node's driver, ``hypervisor.py``, ``volume.py`` and ``network.py`` its parts with the
records that they take and give. May import ``rules``, ``runtime`` and the wire's names and errors.
"""
