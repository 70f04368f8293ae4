"""Layers of sequences: recurrent networks, attention and transformers."""
