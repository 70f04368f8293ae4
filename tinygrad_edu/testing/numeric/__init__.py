"""Numeric derivatives with error estimates, and random inputs for checks."""
