"""
A front that speaks EC2's Query protocol, of clients that know nothing of Wawel.

``endpoint.py`` is the way of one request; ``query.py`` and ``xml.py`` read and write by the shapes of ``model.py``,
which ``bin/cut-ec2`` cuts out of botocore's description of EC2; ``signature.py`` says who signed. A handler asks views,
as the user who signed, and never a store.
"""
