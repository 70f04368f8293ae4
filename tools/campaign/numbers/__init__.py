"""Random calls of all public functions and layers, compared with NumPy and PyTorch."""
