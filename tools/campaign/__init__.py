"""Random tests of the whole package, of any length: ``python -m tools.campaign``."""
