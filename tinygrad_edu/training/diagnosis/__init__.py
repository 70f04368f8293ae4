"""Diagnosis of a training that does not learn: `diagnose.py` runs a copy, `checks.py` judges what `probe.py` measures."""
