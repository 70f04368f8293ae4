"""Comparison of gradient checkers on wrong and correct vjps; see `__main__`."""
