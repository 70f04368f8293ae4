"""The seven findings: the page shows the numbers that the program computed."""

import csv
from pathlib import Path

import pytest

from models.mnist_by_hand import ORIGINAL, Faults
from models.seven_findings import NAMES, VariantOutcome, outcome, outcomes, variants

DOCS = Path(__file__).parents[2] / "docs"


def recorded() -> list[VariantOutcome]:
    with (DOCS / "numbers" / "seven_findings.csv").open() as file:
        return [
            VariantOutcome(row["variant"], int(row["epochs"]), *(float(row[k]) for k in list(row)[2:]))
            for row in csv.DictReader(file)
        ]


def test_the_page_shows_every_recorded_number():
    page = (DOCS / "seven_findings.md").read_text()
    for row in recorded():
        numbers = " | ".join(
            f"{100 * n:.2f} %" for n in (row.test_accuracy, row.best_test_accuracy, row.train_accuracy)
        )
        assert f"| {row.variant.replace('_', ' ')} | {numbers} |" in page


def test_every_variant_is_recorded_for_300_epochs():
    assert [(row.variant, row.epochs) for row in recorded()] == [(name, 300) for name in variants()]


def test_a_variant_differs_in_one_fault():
    for name, faults in variants().items():
        if "with" in name:
            base = ORIGINAL if name.startswith("original") else Faults(**dict.fromkeys(NAMES, False))
            assert sum(getattr(faults, fault) != getattr(base, fault) for fault in NAMES) == 1


@pytest.mark.slow
def test_a_new_run_of_300_epochs_gives_the_recorded_numbers(tmp_path):
    assert list(outcomes(list(variants()), 300, tmp_path)) == recorded()


@pytest.mark.thorough
def test_a_variant_that_fails_ends_no_other_and_none_is_trained_twice(tmp_path, capsys):
    first, second = (list(outcomes(["original", "no such variant", "correct"], 1, tmp_path)) for _ in range(2))
    assert first == second == [outcome("original", 1), outcome("correct", 1)]
    assert capsys.readouterr().err == "models.seven_findings: no such variant: KeyError: 'no such variant'.\n" * 2
    records = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/trial.json")}
    assert len(records) == 2
    list(outcomes(["original", "correct"], 1, tmp_path))
    assert records == {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/trial.json")}
