"""
A whole cloud on a simulated clock, with faults drawn from a seed. The production code runs unchanged; it is handed
another reactor, threads, notifications, time, chance and nodes, on a real PostgreSQL.

``runner.py`` runs one seed or many and shrinks failures (``bin/simulate``); ``simulation.py`` wires a cloud;
``world.py`` is what is outside of the managers (nodes, their agents, guests); ``faults.py`` and ``workload.py`` draw
what happens; ``invariants.py`` says what must hold.
"""
