"""Scaling from one thread to several processes, measured, and to thousands of machines, predicted by a model."""
