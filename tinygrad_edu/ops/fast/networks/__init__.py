"""Fast functions of layers of neural networks."""
