"""Queries: a session in, records out."""
