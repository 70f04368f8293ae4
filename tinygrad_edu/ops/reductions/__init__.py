"""Reductions along axes, and statistics."""
