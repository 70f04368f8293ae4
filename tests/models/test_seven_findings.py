"""The seven findings: each variant is recorded, and differs in one fault."""

import csv
from pathlib import Path

import pytest

from models.mnist_by_hand import ORIGINAL, Faults
from models.seven_findings import NAMES, VariantOutcome, outcomes, variants

DOCS = Path(__file__).parents[2] / "docs"


def recorded() -> list[VariantOutcome]:
    with (DOCS / "numbers" / "seven_findings.csv").open() as file:
        return [
            VariantOutcome(row["variant"], int(row["epochs"]), *(float(row[k]) for k in list(row)[2:]))
            for row in csv.DictReader(file)
        ]


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
