"""What each of the seed's seven faults costs: the by-hand network trained with and without each, side by side."""

import csv
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields, replace
from itertools import islice
from multiprocessing import connection, parent_process
from threading import Thread

from models.console import program
from models.mnist_by_hand import CORRECT, LEARNING_RATE, SEED, Faults, train
from models.options import Parser, positive
from tinygrad_edu.data import load_embedded
from tinygrad_edu.parallel import available_cores, single_threaded_blas

# The seed divides by the batch size of 128 twice; where one division is taken out, its rate takes the other's place.
RATE_ON_MEAN_LOSS = LEARNING_RATE / 128
NAMES = tuple(field.name for field in fields(Faults))


@dataclass(frozen=True)
class VariantOutcome:
    """How one variant of the network ended.

    Attributes
    ----------
    variant : str
        ``seed``, ``correct``, ``seed without X`` or ``correct with X``.
    epochs : int
    test_accuracy, train_accuracy : float
        After the last epoch.
    best_test_accuracy : float
        Of any epoch.
    """

    variant: str
    epochs: int
    test_accuracy: float
    train_accuracy: float
    best_test_accuracy: float


def variants() -> dict[str, Faults]:
    """Return the networks to compare, by name."""
    return {
        "seed": SEED,
        "correct": CORRECT,
        **{f"seed without {name}": replace(SEED, **{name: False}) for name in NAMES},
        **{f"correct with {name}": replace(CORRECT, **{name: True}) for name in NAMES},
    }


def outcome(variant: str, epochs: int) -> VariantOutcome:
    """Train one variant from the seed's random numbers, with steps as long as the seed's."""
    faults, digits = variants()[variant], load_embedded()
    rate = LEARNING_RATE if faults.double_division else RATE_ON_MEAN_LOSS
    with single_threaded_blas():
        training = train(digits.x_train, digits.y_train, digits.x_test, digits.y_test, epochs, faults, rate)
        history = list(islice(training, epochs))
    return VariantOutcome(variant, epochs, history[-1][1], history[-1][2], max(test for _, test, _ in history))


def end_with_parent() -> None:
    """Let this process end when the one that started it does, however that ends."""
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()


def outcomes(names: list[str], epochs: int) -> Iterator[VariantOutcome]:
    """Train several variants, one on each core."""
    with ProcessPoolExecutor(available_cores(), initializer=end_with_parent) as pool:
        yield from pool.map(outcome, names, [epochs] * len(names))


def main(arguments: list[str] | None = None) -> None:
    """Print the outcomes as CSV, as they come."""
    parser = Parser("models.seven_findings", description=__doc__)
    parser.add_argument(
        "--epochs", type=positive(int), default=300, help="epochs to train each variant (default: %(default)s)"
    )
    epochs: int = parser.parse_args(arguments).epochs
    writer = csv.writer(sys.stdout)
    writer.writerow(field.name for field in fields(VariantOutcome))
    for row in outcomes(list(variants()), epochs):
        writer.writerow([getattr(row, field.name) for field in fields(VariantOutcome)])
        sys.stdout.flush()


if __name__ == "__main__":
    program("models.seven_findings", main)
