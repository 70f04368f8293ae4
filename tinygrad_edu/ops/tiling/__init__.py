"""Repeated and padded arrays."""
