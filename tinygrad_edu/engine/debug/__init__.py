"""Observation of the engine: hooks, observers of ops and backward passes, and warnings. No other part needs it."""
