"""Hooks, observers of ops and backward passes, and warnings."""
