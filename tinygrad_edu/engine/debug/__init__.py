"""What observes the engine: hooks, observers of ops and backward passes, and warnings. Nothing else needs it."""
