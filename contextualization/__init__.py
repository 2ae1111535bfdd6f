"""
The endpoint that nodes and guests call back: enrolment, hook events, a node's document, metadata, a guest's hello.

Imports services, rules, runtime and, of what runs on nodes, the signature. Open first ``endpoint.py``: every path and
who may ask for it.
"""
