"""
Contract suites: one per interface of ``cm/interfaces``, run on the memory provider and on the real ones, so that a
test on the memory provider tells the truth. A suite's class is mixed into a test class that says how its subject is
made.
"""
