"""Views for administrators of the cluster: everybody's objects, and what the cluster is made of."""
