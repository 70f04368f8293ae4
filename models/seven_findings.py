"""Accuracy that each of the seven faults of the original script costs: one training with and one without each fault."""

import csv
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, astuple, dataclass, fields, replace
from itertools import islice
from pathlib import Path

from models.mnist_by_hand import CORRECT, LEARNING_RATE, ORIGINAL, Faults, train
from models.shared import folder_name, positive, program
from models.shared.console import complain
from models.shared.executors import pool_of_processes
from models.shared.options import Parser
from models.shared.trials import Trial, grid, run
from tinygrad_edu.data import load_embedded
from tinygrad_edu.parallel import available_cores, single_threaded_blas

NAME = "models.seven_findings"
FOLDER = Path("runs/seven_findings")
# The script divides by the batch size of 128 twice; a variant that divides once uses this rate for equal steps.
RATE_ON_MEAN_LOSS = LEARNING_RATE / 128
NAMES = tuple(field.name for field in fields(Faults))


@dataclass(frozen=True)
class VariantOutcome:
    """Accuracies of one variant of the network.

    Attributes
    ----------
    variant : str
        ``original``, ``correct``, ``original without X`` or ``correct with X``.
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
        "original": ORIGINAL,
        "correct": CORRECT,
        **{f"original without {name}": replace(ORIGINAL, **{name: False}) for name in NAMES},
        **{f"correct with {name}": replace(CORRECT, **{name: True}) for name in NAMES},
    }


def outcome(variant: str, epochs: int) -> VariantOutcome:
    """Train one variant from the script's random numbers, with steps as long as the script's."""
    faults, digits = variants()[variant], load_embedded()
    rate = LEARNING_RATE if faults.double_division else RATE_ON_MEAN_LOSS
    with single_threaded_blas():
        training = train(digits.x_train, digits.y_train, digits.x_test, digits.y_test, epochs, faults, rate)
        history = list(islice(training, epochs))
    return VariantOutcome(variant, epochs, history[-1][1], history[-1][2], max(test for _, test, _ in history))


def measured(variant: str, epochs: int) -> dict[str, str | int | float]:
    """Return the outcome of one variant as a record."""
    return asdict(outcome(variant, epochs))


def outcomes(names: list[str], epochs: int, folder: Path = FOLDER) -> Iterator[VariantOutcome]:
    """Train several variants, one per core, and yield their outcomes in order.

    Variants with an outcome in the folder are not trained again. A variant that fails is reported and skipped.
    """
    found: dict[str, Trial] = {}
    settings, waiting = grid(variant=names, epochs=[epochs]), deque(names)
    for trial in run(measured, settings, lambda: pool_of_processes(available_cores()), folder):
        found[trial.setting["variant"]] = trial
        while waiting and waiting[0] in found:
            first = found[waiting.popleft()]
            if first.reason:
                complain(NAME, f"{first.setting['variant']}: {first.reason.removesuffix('.')}.")
            else:
                yield VariantOutcome(**first.value)


def main(arguments: list[str] | None = None) -> int:
    """Print the outcomes as CSV, as they arrive, and return the exit code: 1 if a variant failed."""
    parser = Parser(NAME, description=__doc__)
    add = parser.add_argument
    add("--epochs", type=positive(int), default=300, help="epochs to train each variant (default: %(default)s)")
    add("--output", type=folder_name, default=FOLDER,
        help="folder for the outcomes; a variant in it is not trained again (default: %(default)s)")  # fmt: skip
    options = parser.parse_args(arguments)
    names, writer, printed = list(variants()), csv.writer(sys.stdout), 0
    writer.writerow(field.name for field in fields(VariantOutcome))
    for row in outcomes(names, options.epochs, options.output):
        writer.writerow(astuple(row))
        sys.stdout.flush()
        printed += 1
    return int(printed < len(names))


if __name__ == "__main__":
    program(NAME, main)
