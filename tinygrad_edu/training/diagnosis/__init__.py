"""Diagnosis of a training that does not learn."""
