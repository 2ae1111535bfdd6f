"""
The command line, ``wawel``: a front that knows the wire's names and nothing of what is behind them.

Open first ``main.py`` (how a call of the program begins and ends, exit codes), ``root.py`` (which command is where) and
``context.py`` (``Console``: the profile, the connection, one call). Commands made by hand stand in
``commands/<noun>.py``; all others are made from the managers' descriptions (``generate.py`` from ``data/*.json``,
which ``bin/generate`` renews). May import ``cm.rpc``; click, rich, prompt_toolkit and PyYAML, the last three only
within the functions that need them, since a command has to answer within 300 ms.
"""
