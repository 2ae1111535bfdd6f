"""What callers may ask of the cloud, as on the wire: guest, user, admin (of one cluster), cloud."""
