"""Layers, each on a sample or a batch."""
