"""One distribution, ``wawel``; everything it says stands in pyproject.toml."""

from setuptools import setup

setup()
