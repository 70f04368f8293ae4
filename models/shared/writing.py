"""Shared code of the programs that write text: options, training, sampling and a baseline."""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
from numpy import ndarray

from models.shared import report
from models.shared.kneser_ney import bits_of, kneser_ney
from models.shared.options import chosen, not_negative, positive, training_parser
from models.shared.outcome import Outcome
from models.shared.progress import aside
from models.shared.text import Text, side_by_side
from models.shared.training import Training, loss_of
from tinygrad_edu import cross_entropy, nn, optim, softmax
from tinygrad_edu.parallel import single_threaded_blas
from tinygrad_edu.training import Epoch, evaluating

ORDER = 3  # of the baseline n-gram model: it predicts the third character from two
RISING = 100  # warm-up steps of the learning rate
SOME = 50  # windows on which the training loss is evaluated
PROMPT, WRITTEN = "\n\n", 300  # a sample starts a new paragraph; its length in characters


class Reader(nn.Module):
    """Base class of character models: they map characters (N, L) to logits (N, size, L) of each next character."""

    def read(self, codes: ndarray, state: Any) -> tuple[ndarray, Any]:
        """Return the logits (size,) of the character after `codes` (L,), and the next state.

        The state summarizes all characters read before; None means none were read.
        """
        raise NotImplementedError


def write(model: Reader, prompt: ndarray, count: int, temperature: float, rng: np.random.Generator) -> ndarray:
    """Generate characters after a prompt, one by one.

    Parameters
    ----------
    model : Reader
    prompt : (L,)
        At least one character.
    count : int
    temperature : float
        Divisor of the logits: below 1, probable characters become more probable; above 1, the distribution flattens.
    rng : numpy.random.Generator
        Samples the characters.
    """
    state, new, written = None, prompt, []
    with evaluating(model), single_threaded_blas():  # the matrix products are small
        for _ in range(count):
            logits, state = model.read(new, state)
            likely = softmax((logits - logits.max()).astype(np.float64) / temperature)
            new = rng.choice(len(likely), 1, p=likely)
            written.append(new)
    return np.concatenate(written)


def bits(logits: Any, codes: ndarray) -> ndarray:
    """Return the bits per character: the cross-entropy of a model's logits in base 2."""
    cost: ndarray = np.asarray(cross_entropy(logits, codes, reduction="none")) / math.log(2)
    return cost


def parse(
    name: str, description: str | None, epochs: int, learning_rate: float, arguments: list[str] | None
) -> argparse.Namespace:
    """Parse the command line of a program."""
    parser = training_parser(name, description, epochs, learning_rate)
    add = parser.add_argument
    add("--sample-every", type=not_negative, default=1, metavar="EPOCHS",
        help="epochs between samples of generated text; 0 shows none (default: %(default)s)")  # fmt: skip
    add("--temperature", type=positive(float), default=0.8, help="temperature of sampling (default: %(default)s)")
    return parser.parse_args(arguments)


def training(
    options: argparse.Namespace,
    text: Text,
    model: Reader,
    start: Callable[..., Iterator[Epoch]],
    window: int,
    pictures: Mapping[str, Callable[[Path], None]],
) -> Training:
    """Return the training of a character model, with samples of its text and a 3-gram baseline.

    Parameters
    ----------
    options, text, model
    start : callable
        As for `Training`.
    window : int
        Length in characters of the windows on which the training loss is evaluated.
    pictures : dict of str to callable
        Functions that draw further pictures; called while the model is in evaluation mode.
    """
    to_beat = bits_of(kneser_ney(text.train, len(text.alphabet), ORDER), text.held_out)
    some = side_by_side(text.train[: SOME * window], window)

    def sample(count: int, number: int) -> str:
        rng = np.random.default_rng([options.seed, number])  # separate, so that sampling does not affect training
        return text.decode(write(model, text.encode(PROMPT), count, options.temperature, rng))

    def show(epoch: Epoch) -> Epoch:
        if options.sample_every and epoch.epoch % options.sample_every == 0 and not options.quiet:
            aside(sample(WRITTEN, epoch.epoch))
        return epoch

    def draw(folder: Path, outcome: Outcome) -> None:
        draw_curve(folder / "curve.png", outcome.history, to_beat)
        (folder / "sample.txt").write_text(sample(4 * WRITTEN, 0), encoding="utf-8")
        with evaluating(model), single_threaded_blas():
            for name, picture in pictures.items():
                picture(folder / name)

    return Training(
        model, options.epochs,
        lambda **run: map(show, start(**run)),  # not a generator: `fit` must reject bad arguments at once
        lambda: loss_of(model, nn.CrossEntropyLoss(), *some),
        chosen(options, "epochs", "learning_rate", "seed") | {"python": python_version()},  # determines the text
        draw, ("curve.png", "sample.txt", *pictures), lambda: {"three_gram_bits": to_beat},
    )  # fmt: skip


def schedule(learning_rate: float, steps: int) -> Callable[[int], float]:
    """Return the learning rate as a function of the step: linear warm-up, then cosine decay to 0."""
    rising = min(RISING, steps // 4)
    return optim.schedules.warm_up(optim.schedules.cosine(learning_rate, steps - rising), rising)


def draw_curve(path: Path, history: list[Epoch], to_beat: float) -> None:
    """Draw the bits per character in training and on held-out text, and those of the 3-gram model."""
    figure = report.new_figure(6.5, 3.6)
    axes, numbers = figure.subplots(), [epoch.epoch for epoch in history]
    held_out = [epoch.metrics["held_out_bits"] for epoch in history]
    axes.axhline(to_beat, color="tab:red", linestyle="--", label=f"3-gram model, held out: {to_beat:.2f}")
    axes.plot(numbers, [epoch.loss / math.log(2) for epoch in history], color="tab:gray", label="in training")
    last = f": {held_out[-1]:.2f}" if held_out else ""
    axes.plot(numbers, held_out, color="tab:blue", label=f"held out{last}")
    axes.set(xlabel="epoch", ylabel="bits per character")
    axes.legend()
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
