"""Views for administrators of the cloud."""
