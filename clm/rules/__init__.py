"""Decisions about people and clusters: pure functions and tables."""
