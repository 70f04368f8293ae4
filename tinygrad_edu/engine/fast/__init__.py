"""Faster equivalents of the engine's plain functions: generated calls, and a backward pass that adds in place."""
