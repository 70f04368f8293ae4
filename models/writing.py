"""What programs whose model writes a text share: their options, their training, and what the model has written."""

import argparse
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from platform import python_version
from typing import Any

import numpy as np
from numpy import ndarray

from models import report
from models.kneser_ney import bits_of, kneser_ney
from models.options import not_negative, positive, training_parser
from models.outcome import Outcome
from models.progress import aside
from models.text import Text, loader, side_by_side
from models.training import Training, loss_of
from tinygrad_edu import cross_entropy, nn, optim, softmax
from tinygrad_edu.parallel import single_threaded_blas
from tinygrad_edu.training import Epoch, Mean, evaluating, fit

ORDER = 3  # of the n-gram model that is to be beaten: it sees two characters and guesses the third
RISING = 100  # steps until the learning rate is at its highest
SOME = 50  # windows tell whether a model learned anything
PROMPT, WRITTEN = "\n\n", 300  # a sample begins after the end of a paragraph, and has so many characters


class Reader(nn.Module):
    """The base of models of characters: from (N, L) of them to logits (N, size, L) of the one after each."""

    def read(self, codes: ndarray, state: Any) -> tuple[ndarray, Any]:
        """Return the logits (size,) of what follows (L,) characters after those that a state is of, and the next state.

        No state, None, is that of nothing read so far.
        """
        raise NotImplementedError


def write(model: Reader, prompt: ndarray, count: int, temperature: float, rng: np.random.Generator) -> ndarray:
    """Return characters that a model writes after a prompt, one by one.

    Parameters
    ----------
    model : Reader
    prompt : (L,)
        With at least one character.
    count : int
    temperature : float
        What logits are divided by: below 1 what is likely becomes likelier, and above it all become more alike.
    rng : numpy.random.Generator
        Draws each character.
    """
    state, new, written = None, prompt, []
    with evaluating(model), single_threaded_blas():  # the products are small
        for _ in range(count):
            logits, state = model.read(new, state)
            likely = softmax((logits - logits.max()).astype(np.float64) / temperature)
            new = rng.choice(len(likely), 1, p=likely)
            written.append(new)
    return np.concatenate(written)


def bits(logits: Any, codes: ndarray) -> ndarray:
    """Return how many bits each character costs, by the logits of a model."""
    cost: ndarray = np.asarray(cross_entropy(logits, codes, reduction="none")) / math.log(2)
    return cost


def parse(
    name: str, description: str | None, epochs: int, learning_rate: float, arguments: list[str] | None
) -> argparse.Namespace:
    """Read the command line of a program."""
    parser = training_parser(name, description, epochs, learning_rate)
    add = parser.add_argument
    add("--sample-every", type=not_negative, default=1, metavar="EPOCHS",
        help="how often to show what the model writes; 0 is never (default: %(default)s)")  # fmt: skip
    add("--temperature", type=positive(float), default=0.8, help="of what it writes (default: %(default)s)")
    return parser.parse_args(arguments)


def training(
    options: argparse.Namespace,
    text: Text,
    model: Reader,
    optimizer: optim.Optimizer,
    *,
    rng: np.random.Generator,
    window: int,
    batch_size: int,
    shard_size: int,
    pictures: Mapping[str, Callable[[Path], None]],
) -> Training:
    """Return the training of a model of characters, with samples of what it writes, beside the 3-gram model.

    Parameters
    ----------
    options, text, model, optimizer, rng
    window : int
        How many characters in a row it learns from, and is measured on.
    batch_size, shard_size : int
        The windows of a step, and how many of them a core computes at a time.
    pictures : dict of str to callable
        What draws each, besides the curve: called while the model is evaluated.
    """
    loss, batches = nn.CrossEntropyLoss(), loader(text.train, window, batch_size, rng)
    to_beat = bits_of(kneser_ney(text.train, len(text.alphabet), ORDER), text.held_out)
    fitted = partial(
        fit, model, optimizer, loss, batches, options.epochs, rng=rng, max_norm=1.0, shard_size=shard_size,
        schedule=schedule(options.learning_rate, options.epochs * len(batches)),
        metrics={"bits": Mean(bits)}, evaluate_on={"held_out": [side_by_side(text.held_out, window)]},
    )  # fmt: skip

    def sample(count: int, number: int) -> str:
        rng = np.random.default_rng([options.seed, number])  # apart, so that samples change nothing else
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

    chosen = {name: getattr(options, name) for name in ("epochs", "learning_rate", "seed")}
    return Training(
        model, options.epochs,
        lambda **settings: map(show, fitted(**settings)),  # no generator: what `fit` refuses, is refused when called
        partial(loss_of, model, loss, *side_by_side(text.train[: SOME * window], window)),
        chosen | {"python": python_version()},  # whose documentation it is
        draw, ("curve.png", "sample.txt", *pictures), lambda: {"three_gram_bits": to_beat},
    )  # fmt: skip


def schedule(learning_rate: float, steps: int) -> Callable[[int], float]:
    """Return the learning rate as a function of the step, of so many in all: it rises for a while, and sinks to 0."""
    rising = min(RISING, steps // 4)
    return optim.schedules.warm_up(optim.schedules.cosine(learning_rate, steps - rising), rising)


def draw_curve(path: Path, history: list[Epoch], to_beat: float) -> None:
    """Draw how many bits a character costs, in training and held out, and what it costs the 3-gram model."""
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
