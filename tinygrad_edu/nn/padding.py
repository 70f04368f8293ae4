"""Padding layers: a border around images."""

__all__: list[str] = []
