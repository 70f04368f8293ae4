"""A recurrent network that learns to write Python's documentation, character by character."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy import ndarray

from models.shared import Training, program, report, train, writing
from models.shared.text import Text, load, loader, side_by_side
from models.shared.writing import Reader
from tinygrad_edu import Tensor, nn, optim
from tinygrad_edu.training import Epoch, Mean, fit

NAME = "models.char_lstm"
WIDTH, HIDDEN = 64, 256
WINDOW = 64  # characters in a training window
BATCH, SHARD = 16, 8
EPOCHS, LEARNING_RATE = 12, 4e-3
SHOWN, ASKED = 700, 5000  # characters shown in the picture, and used to choose its cell

State = tuple[Tensor, Tensor]


class CharLSTM(Reader):
    """LSTM that maps characters (N, L) to logits (N, size, L) of each next character."""

    def __init__(self, size: int, rng: np.random.Generator) -> None:
        self.characters = nn.Embedding(size, WIDTH, rng=rng)
        self.lstm = nn.LSTM(WIDTH, HIDDEN, batch_first=True, rng=rng)
        self.head = nn.Linear(HIDDEN, size, rng=rng)

    def forward(self, codes: Any) -> Tensor:
        """Return the logits, starting from a zero state."""
        states, _ = self.lstm(self.characters(codes))
        logits: Tensor = self.head(states).swapaxes(1, 2)
        return logits

    def read(self, codes: ndarray, state: State | None) -> tuple[ndarray, State]:
        """Read more characters. The state is the last hidden state and cell state."""
        states, last = self.lstm(self.characters(codes), state)
        return self.head(states[-1]).numpy(), last

    def cells(self, codes: ndarray) -> ndarray:
        """Return tanh of the cell state after each character of a text, (L, HIDDEN)."""
        state, found = None, []
        for code in codes:
            _, state = self.read(code[None], state)
            found.append(np.tanh(state[1].numpy()[0]))
        return np.stack(found)


def prepare(options: argparse.Namespace) -> Training:
    """Return the network and its training."""
    text, rng = load(), np.random.default_rng(options.seed)
    model = CharLSTM(len(text.alphabet), rng)
    batches = loader(text.train, WINDOW, BATCH, rng)
    optimizer = optim.Adam(model.parameters(), lr=options.learning_rate)
    schedule = writing.schedule(options.learning_rate, options.epochs * len(batches))

    def start(**run: Any) -> Iterator[Epoch]:
        return fit(
            model, optimizer, nn.CrossEntropyLoss(), batches, options.epochs, rng=rng, schedule=schedule, max_norm=1.0,
            metrics={"bits": Mean(writing.bits)}, evaluate_on={"held_out": [side_by_side(text.held_out, WINDOW)]},
            shard_size=SHARD, **run,
        )  # fmt: skip

    pictures = {"cell.png": lambda path: draw_cell(path, *cell_of_passage(model, text))}
    return writing.training(options, text, model, start, WINDOW, pictures)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    return writing.parse(NAME, __doc__, EPOCHS, LEARNING_RATE, arguments)


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit code."""
    return train(NAME, parse(arguments), prepare)


def inside_quotes(passage: str) -> ndarray:
    """Return for each character whether a quotation mark of its paragraph is open after it."""
    marks = [np.cumsum([c == '"' for c in f"{paragraph}\n\n"]) % 2 for paragraph in passage.split("\n\n")]
    inside: ndarray = np.concatenate(marks)[: len(passage)] == 1
    return inside


def quote_cell(cells: ndarray, inside: ndarray) -> tuple[int, float]:
    """Return the cell of (L, HIDDEN) that correlates most with being inside quotation marks, and its correlation."""
    found = np.corrcoef(cells.T, inside)[-1, :-1]
    best = int(np.abs(found).argmax())
    return best, float(found[best])


def cell_of_passage(model: CharLSTM, text: Text) -> tuple[str, ndarray, int, float]:
    """Return a held-out passage, the values of a cell after each character, the cell, and its correlation with quotes.

    The cell is chosen on training text. Its values are positive inside quotation marks.
    """
    passage, known = text.passage(SHOWN), text.train[:ASKED]
    cell, agreement = quote_cell(model.cells(known), inside_quotes(text.decode(known)))
    return passage, model.cells(text.encode(passage))[:, cell] * np.sign(agreement), cell, abs(agreement)


def draw_cell(path: Path, passage: str, values: ndarray, cell: int, correlation: float) -> None:
    """Draw the value of a cell after each character of a passage."""
    lines = passage.split("\n")
    paper, places = np.full((len(lines), max(map(len, lines))), np.nan), iter(values)
    figure = report.new_figure(9, 0.23 * len(lines) + 0.9)
    axes = figure.subplots()
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            paper[row, column] = next(places)
            axes.text(column, row, character, family="monospace", fontsize=8, ha="center", va="center_baseline")
        next(places, None)  # the newline
    image = axes.imshow(paper, cmap="RdBu_r", vmin=-2, vmax=2, aspect="auto")  # pale, so that the text is legible
    axes.set_title(f"cell {cell}: inside quotation marks or not, with a correlation of {correlation:.2f}", fontsize=9)
    axes.set_axis_off()
    figure.colorbar(image, shrink=0.8).ax.set_ylim(-1, 1)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    program(NAME, main)
