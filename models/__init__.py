"""Programs over tinygrad_edu: one file per model, each run as ``python -m models.NAME``."""
