"""Strategies for calls of each op: valid inputs away from kinks, and all settings."""
