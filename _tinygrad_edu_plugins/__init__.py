"""Entry points for pytest and Hypothesis, outside of the package: every project loads them, so they are small."""
