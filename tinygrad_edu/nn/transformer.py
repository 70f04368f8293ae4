"""The encoder of a transformer."""

__all__: list[str] = []
