"""
The cloud manager: people, groups, keys, news, and the clusters it federates.

Layers as in ``cm``: ``rules`` (pure), ``models``, ``store`` (queries), ``drivers`` (mail, OpenID Connect, clusters over
the wire), ``services`` (use cases), ``views`` (what callers may ask; ``views/forward.py`` passes on to clusters),
``daemon`` (the program ``wawel-clm``). ``console`` is the command line ``wawel``. A cluster is reached through an
``ICaller`` alone. Open ``daemon/app.py`` first.
"""
