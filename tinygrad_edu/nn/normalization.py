"""Normalization: layers that give activations mean 0 and variance 1."""

__all__: list[str] = []
