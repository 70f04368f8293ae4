"""State dicts, and files of weights."""
