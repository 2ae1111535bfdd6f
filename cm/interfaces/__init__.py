"""
What services and operations ask of the outside. Each interface has a memory provider and a real one; one contract suite
(``tests/contract``) runs on both.

All calls block and are run on the threads of their node (``runtime/threads.py``), as ``calls.py`` says of each: slow
ones on threads and connections of their own, so that they hold up only each other. Errors are those of ``rpc/errors``:
``NodeUnreachable`` always may arise, and then what was asked may or may not have happened.

``calls.py`` is how all of it is asked; start there. ``node.py`` has the whole of a node's driver, ``hypervisor.py``,
``volume.py``, ``disks.py``, ``block_job.py``, ``snapshot.py``, ``network.py``, ``stream.py`` and ``managed.py`` its
parts with the records that they take and give, ``source.py`` where a disk's content is. May import ``rules``,
``runtime`` and the wire's names and errors.
"""
