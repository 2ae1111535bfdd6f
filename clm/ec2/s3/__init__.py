"""
Just as much of S3 as it takes to bring files here and make images of them: buckets and objects, whole, in ranges and in
parts. At EC2's port; what is signed for ``s3`` comes here. Open first ``endpoint.py`` (the way of a request), then
``operations.py`` (what is done); ``body.py`` reads what clients wrap bodies in. May import what ``clm.ec2`` may.
"""
