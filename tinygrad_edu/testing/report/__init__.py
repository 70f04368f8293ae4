"""Reports of failed and inconclusive checks: messages, and code that reproduces a failure."""
