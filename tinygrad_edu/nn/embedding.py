"""Embedding: a table of vectors, looked up by number."""

__all__: list[str] = []
