"""Functions of layers of neural networks."""
