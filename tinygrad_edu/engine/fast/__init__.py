"""The engine's faster equivalents of plain functions: generated calls, and a backward pass that adds in place."""
