"""Commands for the maker of the package, each run as ``python -m tools.NAME``; the suite runs some of them in short."""
