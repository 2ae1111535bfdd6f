"""Alembic's environment and versions of a cloud's database."""
