"""Tensors that share memory with NumPy and other libraries."""
