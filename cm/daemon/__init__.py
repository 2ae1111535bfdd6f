"""
The whole, wired: the one place where parts are made and handed to each other, and the loops that start and
stop with it.

Open first ``app.py``. May import all of ``cm``; nobody else imports it.
"""
