"""Elements selected by indices, order or a condition."""
