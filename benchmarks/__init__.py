"""
Measured comparisons: Wawel beside a reference in the same run. Never part of the tests.

``run`` (the program) starts ``__main__.py``; open that first. One module per benchmark: ``reads.py``, ``memory.py``,
``burst.py``, ``create.py``, ``hook.py``; each has ``measure(settings)``, which yields figures. What they share:
``report.py`` (figures, targets, the table), ``client.py`` and ``reference.py`` (programs of their own: who calls, and
what Wawel is compared with), ``population.py`` (10,000 VMs), ``clusters.py`` (the clouds they run on).

May import ``lab`` (``bin/lab``) and, to make rows as the product makes them, ``cm``; nobody imports this.
"""
