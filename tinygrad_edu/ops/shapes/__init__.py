"""Shapes of arrays, and parts joined and split."""
