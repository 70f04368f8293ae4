"""For each op, what it can be called with: legal inputs away from kinks, and every setting."""
