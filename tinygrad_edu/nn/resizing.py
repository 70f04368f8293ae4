"""Layers that change the size of images."""

__all__: list[str] = []
