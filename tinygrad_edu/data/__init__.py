"""Digits and other sets to learn from, and the batches that a training loop takes from them."""

from tinygrad_edu.data.images import channel_statistics, normalize_channels, random_shift, to_float
from tinygrad_edu.data.keras_sets import load_keras
from tinygrad_edu.data.loader import DataLoader
from tinygrad_edu.data.mnist import Digits, load_embedded, load_file
from tinygrad_edu.data.splitting import random_split

__all__ = [
    "DataLoader",
    "Digits",
    "channel_statistics",
    "load_embedded",
    "load_file",
    "load_keras",
    "normalize_channels",
    "random_shift",
    "random_split",
    "to_float",
]
