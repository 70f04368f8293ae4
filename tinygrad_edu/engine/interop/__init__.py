"""Tensors on the memory of NumPy and of other libraries."""
