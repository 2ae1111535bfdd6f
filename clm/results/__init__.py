"""What the cloud's own views answer with; as ``cm/results``, which says more."""
