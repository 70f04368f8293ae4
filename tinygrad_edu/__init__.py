"""A small NumPy tensor with reverse-mode automatic differentiation."""
