"""Numeric derivatives with error estimates, and the random inputs of checks."""
