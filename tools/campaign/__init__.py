"""Attacks on the whole package, at random, as long as is asked for: ``python -m tools.campaign``."""
