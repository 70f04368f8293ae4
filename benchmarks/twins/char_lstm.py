"""``models.char_lstm``, compared with PyTorch in float32."""

from typing import Any

import numpy as np
from torch import nn

from benchmarks.twins.steps import Comparison, compare_steps
from models import char_lstm
from models.shared.text import load, loader
from tinygrad_edu import cross_entropy


class CharLSTM(nn.Module):
    """The same network in PyTorch."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.characters = nn.Embedding(size, char_lstm.WIDTH)
        self.lstm = nn.LSTM(char_lstm.WIDTH, char_lstm.HIDDEN, batch_first=True)
        self.head = nn.Linear(char_lstm.HIDDEN, size)

    def forward(self, codes: Any) -> Any:
        """Return the logits."""
        states, _ = self.lstm(self.characters(codes))
        return self.head(states).transpose(1, 2)


def compare(steps: int = 100) -> Comparison:
    """Train both for some steps, and compare."""
    text, rng = load(), np.random.default_rng(0)
    ours, theirs = char_lstm.CharLSTM(len(text.alphabet), rng), CharLSTM(len(text.alphabet))
    batches = list(loader(text.train, char_lstm.WINDOW, char_lstm.BATCH, rng))[:steps]
    lr = char_lstm.LEARNING_RATE
    return compare_steps(ours, cross_entropy, theirs, nn.functional.cross_entropy, batches, lr=lr)
