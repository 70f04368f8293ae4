"""Checkers of gradients side by side, on the same wrong and right rules: see `__main__`."""
