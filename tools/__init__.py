"""Commands for maintainers, run as ``python -m tools.NAME``. The test suite runs short forms of some of them."""
