"""The same work here and in other frameworks, side by side: ``python -m benchmarks``."""
