"""
What a guest is told of itself: pure functions of ``cm.services.guest.Guest``, no database, no HTTP.

``nocloud.py`` are cloud-init's documents, ``tree.py`` EC2's tree, ``imds.py`` EC2's protocol over that tree.
"""
