"""The seed's MNIST network on the engine: a 3x3 convolution with 16 kernels, tanh, dropout, and a linear layer."""

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy import ndarray

from models import STOPPED, report, results, stopping
from models.console import complain, one_line, program, say
from models.outcome import Outcome
from tinygrad_edu import cross_entropy, data, nn, no_grad, optim
from tinygrad_edu.errors import TinygradError
from tinygrad_edu.training import Epoch, fit, predict

NAME = "models.mnist_conv"
BEST = "best.safetensors"
FILES = (results.SUMMARY, results.WEIGHTS, BEST, "history.csv", "curves.png", "kernels.png", "mistakes.png")
LINEAR_INPUTS = 16 * 26 * 26
ROOM = 2 * 4 * (16 * 9 + 10 * LINEAR_INPUTS) + (2 << 20)  # bytes: the weights twice, and 2 MiB for all the rest


@dataclass(frozen=True)
class Recipe:
    """How the network is initialized and trained.

    Attributes
    ----------
    epochs, batch_size : int
    learning_rate : float
        At the first step.
    momentum : float
    schedule : {"cosine", "constant"}
        Of the learning rate.
    kernel_bound, weight_bound : float
        Kernels and weights are drawn evenly from [-bound, bound).
    shift : int
        Each training image is moved by up to so many pixels, anew in each epoch.
    shuffle : bool
        Whether the order of the images changes from epoch to epoch.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    momentum: float
    schedule: str
    kernel_bound: float
    weight_bound: float
    shift: int
    shuffle: bool


RECIPES = {
    # Kernels of up to 3 drive tanh out of its straight middle; with small ones the network stays linear for long.
    "tuned": Recipe(40, 32, 0.03, 0.9, "cosine", 3.0, 1 / math.sqrt(LINEAR_INPUTS), 2, True),
    # The seed divides the gradient of the summed loss by 128 twice: its learning rate is 2 / 128 on the mean loss.
    "seed": Recipe(300, 128, 2 / 128, 0.0, "constant", 0.01, 0.1, 0, False),
}


def build(recipe: Recipe, rng: np.random.Generator) -> nn.Sequential:
    """Return the network, from images (N, 1, 28, 28) to logits (N, 10); softmax is part of the loss."""
    convolution = nn.Conv2D(1, 16, 3, bias=False, rng=rng)
    linear = nn.Linear(LINEAR_INPUTS, 10, bias=False, rng=rng)
    convolution.weight = nn.init.uniform(convolution.weight.shape, recipe.kernel_bound, rng)
    linear.weight = nn.init.uniform(linear.weight.shape, recipe.weight_bound, rng)
    return nn.Sequential(convolution, nn.Tanh(), nn.Dropout(0.5, rng=rng), nn.Flatten(), linear)


def loader(digits: data.Digits, recipe: Recipe, rng: np.random.Generator) -> data.DataLoader:
    """Return the batches, shuffled and shifted as the recipe says. A remainder is left out, as in the seed."""

    def prepared(x: ndarray, y: ndarray) -> tuple[ndarray, ndarray]:
        stopping.check()
        return data.to_float(data.random_shift(x, recipe.shift, rng) if recipe.shift else x), y

    return data.DataLoader(
        digits.x_train, digits.y_train,
        batch_size=recipe.batch_size, shuffle=recipe.shuffle, rng=rng, drop_last=True, transform=prepared,
    )  # fmt: skip


def schedule(recipe: Recipe, digits: data.Digits) -> Callable[[int], float]:
    """Return the learning rate as a function of the step."""
    if recipe.schedule == "constant":
        return optim.schedules.constant(recipe.learning_rate)
    return optim.schedules.cosine(recipe.learning_rate, recipe.epochs * (len(digits.x_train) // recipe.batch_size))


def train(recipe: Recipe, digits: data.Digits, seed: int) -> tuple[nn.Sequential, Iterator[Epoch]]:
    """Return a fresh network and its training, epoch by epoch. One seed gives the same bits on the same machine."""
    rng = np.random.default_rng(seed)
    model = build(recipe, rng)
    optimizer = optim.SGD(model.parameters(), lr=recipe.learning_rate, momentum=recipe.momentum)
    epochs = fit(
        model,
        optimizer,
        recipe.epochs,
        loader(digits, recipe, rng),
        schedule(recipe, digits),
        rng,
        train=(data.to_float(digits.x_train), digits.y_train),
        test=(data.to_float(digits.x_test), digits.y_test),
    )
    return model, epochs


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line."""
        self.exit(2, f"{self.prog}: {one_line(message)}\n")


def _positive(kind: type[Any]) -> Callable[[str], Any]:
    def read(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < math.inf:
            raise argparse.ArgumentTypeError(f"{text!r} is not a positive {'whole ' * (kind is int)}number")
        return value

    return read


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def _folder(text: str) -> Path:
    if not text:
        raise argparse.ArgumentTypeError("a folder needs a name; '.' is the one you are in")
    return Path(text)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = _Parser(NAME, description=__doc__)
    add = parser.add_argument
    add("--recipe", choices=RECIPES, default="tuned", help="our recipe, or the seed's own (default: %(default)s)")
    add("--epochs", type=_positive(int), help="passes over the training images (default: the recipe's, 40 or 300)")
    add("--batch-size", type=_positive(int), help="images a step (default: the recipe's, 32 or 128)")
    add("--learning-rate", type=_positive(float), help="of the first step (default: the recipe's, 0.03 or 2/128)")
    add("--train-size", type=_positive(int), default=1000, help="how many training images (default: %(default)s)")
    add("--data", default="embedded", metavar="SOURCE",
        help="embedded (the 1,000 + 10,000 images in the package), keras, or a path to an mnist.npz "
             "(default: %(default)s)")  # fmt: skip
    add("--seed", type=_seed, default=0, help="of every random number (default: %(default)s)")
    add("--output", type=_folder, default=Path("runs/mnist_conv"), help="folder for the results (default: %(default)s)")
    return parser.parse_args(arguments)


def load(source: str, train_size: int) -> data.Digits:
    """Load the digits from where the option says."""
    if source == "keras":
        train, test = data.load_keras("mnist")
        digits = data.Digits(*train, *test)
    else:
        digits = data.load_embedded() if source == "embedded" else data.load_file(source)
    return digits.take(train_size)


def choose(options: argparse.Namespace) -> Recipe:
    """Return the recipe with what the options change of it."""
    changes = {name: getattr(options, name) for name in ("epochs", "batch_size", "learning_rate")}
    recipe = replace(RECIPES[options.recipe], **{name: value for name, value in changes.items() if value is not None})
    if recipe.batch_size > options.train_size:
        raise ValueError(f"a batch of {recipe.batch_size} is larger than the {options.train_size} training images")
    return recipe


def run(recipe: Recipe, digits: data.Digits, seed: int) -> tuple[nn.Sequential, Outcome]:
    """Train with a progress bar, until the end, a signal or a number that is not finite."""
    from tqdm import tqdm

    model, epochs = train(recipe, digits, seed)
    outcome = Outcome.begin(model.state_dict(), evaluated_loss(model, digits))
    watched = sys.stderr is not None and sys.stderr.isatty()
    with tqdm(epochs, total=recipe.epochs, unit="epoch", disable=not watched) as bar:
        try:
            for epoch in bar:
                bar.set_postfix_str(
                    f"loss {epoch.loss:.3f}, train {epoch.train_accuracy:.2%}, test {epoch.test_accuracy:.2%}"
                )
                if not outcome.add(epoch, model.state_dict()):
                    break
        except KeyboardInterrupt:
            outcome.end = "stopped"
    model.load_state_dict(outcome.last.arrays)
    outcome.judge(evaluated_loss(model, digits))
    return model, outcome


def evaluated_loss(model: nn.Sequential, digits: data.Digits) -> float:
    """Return the loss on training images, without dropout. A thousand of them tell."""
    with no_grad():
        logits = model.eval()(data.to_float(digits.x_train[:1000]))
    model.train()
    return float(cross_entropy(logits, digits.y_train[:1000]).item())


def summarize(outcome: Outcome, seconds: float, options: argparse.Namespace, recipe: Recipe) -> dict[str, Any]:
    """Return the content of ``summary.json``. Accuracies are those of ``model.safetensors``."""
    last = outcome.history[outcome.last.epoch - 1] if outcome.last.epoch else None
    steps = sum(epoch.steps for epoch in outcome.history)
    return {
        "end": outcome.end,
        "reason": outcome.reason,
        "test_accuracy": last.test_accuracy if last else None,
        "train_accuracy": last.train_accuracy if last else None,
        "epochs": len(outcome.history),
        "model_epoch": outcome.last.epoch,
        "best_epoch": outcome.best.epoch,
        "seconds": round(seconds, 3),
        "step_milliseconds": round(1000 * sum(epoch.seconds for epoch in outcome.history) / steps, 3),
        "seed": options.seed,
        "options": {**{k: str(v) if isinstance(v, Path) else v for k, v in vars(options).items()}, **asdict(recipe)},
    }


def write_numbers(folder: Path, outcome: Outcome) -> None:
    """Write the weights and the history into the folder."""
    report.write_history(folder, outcome.history)
    report.write_weights(folder / results.WEIGHTS, outcome.last.arrays)
    report.write_weights(folder / BEST, outcome.best.arrays)


def write(folder: Path, model: nn.Sequential, outcome: Outcome, digits: data.Digits) -> None:
    """Write all results but the summary into the folder."""
    write_numbers(folder, outcome)
    report.draw_curves(folder, outcome.history)
    report.draw_kernels(folder, outcome.last.arrays["0.weight"])
    report.draw_mistakes(folder, digits.x_test, digits.y_test, predict(model, data.to_float(digits.x_test)))


def place(folder: Path, end: str) -> Path:
    """Return where the results go: those of a run that diverged never where there are others."""
    earlier = any((folder / name).exists() for name in (results.SUMMARY, results.WEIGHTS))
    if end == "diverged" and earlier and results.read_summary(folder).get("end") != "diverged":
        return folder / "diverged"
    return folder


def rescue(outcome: Outcome, summary: dict[str, Any]) -> Path | None:
    """Save the numbers alone where temporary files go. Return the folder, if there is room."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=f"{NAME}-"))
        results.save(folder, lambda staged: write_numbers(staged, outcome), summary)
    except OSError:
        return None
    return folder


def main(arguments: list[str] | None = None) -> int:
    """Run the program, and return its exit code.

    It is 0, 1 where training diverged or its results could not be saved, 2 for wrong options, 130 after Ctrl-C.
    """
    options = parse(arguments)
    begin = time.perf_counter()
    try:
        report.require_extra()
        recipe = choose(options)
        digits = load(options.data, options.train_size)
        results.prepare(options.output, FILES, ROOM)
    except (TinygradError, ValueError, OSError) as error:
        complain(NAME, " ".join(str(error).split()))
        return 2
    # What overflows in a run that diverges is said once, at its end.
    with stopping.noted(), np.errstate(all="ignore"):
        model, outcome = run(recipe, digits, options.seed)
        if not outcome.history:
            say("stopped: before the end of the first epoch, so nothing is saved")
            return STOPPED
        summary = summarize(outcome, time.perf_counter() - begin, options, recipe)
        return finish(model, outcome, digits, summary, options.output)


def finish(model: nn.Sequential, outcome: Outcome, digits: data.Digits, summary: dict[str, Any], output: Path) -> int:
    """Save what the run came to, say so in one line, and return the exit code."""
    folder, code = place(output, outcome.end), {"done": 0, "stopped": STOPPED, "diverged": 1}[outcome.end]
    try:
        results.save(folder, lambda staged: write(staged, model, outcome, digits), summary)
    except Exception as error:  # whatever it is, the weights are not to be lost with it
        saved, code = rescue(outcome, summary), 1
        where = f"the weights are in {saved}" if saved else "nor where temporary files go"
        complain(NAME, f"cannot save in {folder}: {getattr(error, 'strerror', None) or error}; {where}")
    else:
        saved = folder
    say(closing_line(outcome, summary, output, saved))
    return code


def closing_line(outcome: Outcome, summary: dict[str, Any], output: Path, folder: Path | None) -> str:
    """Return in one line how the run ended, what it reached, and where its results are."""
    figures = {key: summary[key] for key in ("test_accuracy", "train_accuracy", "epochs", "seconds")}
    advice = f"{outcome.reason}; try a smaller --learning-rate: " if outcome.end == "diverged" else ""
    kept = f" (what was in {output} is kept)" if folder == output / "diverged" else ""
    return f"{outcome.end}: {advice}{json.dumps(figures)} -> {folder or 'nowhere'}{kept}"


if __name__ == "__main__":
    program(NAME, main)
