"""The campaign on numbers: random calls of everything public, beside PyTorch and NumPy."""
