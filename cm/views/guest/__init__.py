"""Views without a login: what the cluster is, and logging in."""
