"""Ladder of ingredients: rungs differ, interrupted runs resume, and the page has the tables."""

import csv
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.image import imread

from benchmarks import ingredients
from benchmarks.ingredients import Line, Reading, Rung, Trials, ladder, lines, table, without
from tinygrad_edu import data

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def few(monkeypatch):
    """Reduce the data set to 200 digits, and each recipe to one epoch."""
    digits = data.load_embedded().take(200)
    small = data.Digits(digits.x_train, digits.y_train, digits.x_test[:50], digits.y_test[:50])
    monkeypatch.setattr(ingredients.data, "load_embedded", lambda: small)
    short = {part: [rung._replace(recipe=replace(rung.recipe, epochs=1)) for rung in rungs()]
             for part, rungs in (("ladder", ladder), ("without", without))}  # fmt: skip
    for part, rungs in short.items():
        monkeypatch.setattr(ingredients, part, lambda rungs=rungs: rungs)


def test_each_rung_is_another_and_each_that_is_left_out_differs_from_the_top():
    rungs, top = ladder(), ladder()[-1]
    assert all(a[1:] != b[1:] for a, b in pairwise(rungs))
    assert all(rung[1:] != top[1:] for rung in without())
    assert len({rung.name for rung in [*rungs, *without()]}) == len(rungs) + len(without())


@pytest.mark.thorough
def test_a_run_trains_each_recipe_once_and_goes_on_where_it_was_stopped(few, tmp_path, monkeypatch, capsys):
    trained = []
    trial = ingredients.trial

    def noted(recipe, seed, readings):
        if len(trained) == 4:
            raise KeyboardInterrupt
        trained.append((recipe, seed))
        return trial(recipe, seed, readings)

    monkeypatch.setattr(ingredients, "trial", noted)
    options = ["--seeds", "1", "--part", "ladder", "--output", str(tmp_path)]
    with pytest.raises(KeyboardInterrupt):
        ingredients.main(options)
    monkeypatch.setattr(ingredients, "trial", lambda *about: trained.append(about[:2]) or trial(*about))
    ingredients.main(options)
    assert len(trained) == len(set(trained)) == len(ingredients.planned("ladder"))
    ingredients.main(options)
    assert len(trained) == len(ingredients.planned("ladder"))
    printed = capsys.readouterr().out
    assert all(f"| {rung.name} | " in printed for rung in ladder())
    assert imread(tmp_path / "ingredients.png").std() > 0.05


def test_a_line_has_the_mean_and_the_spread_of_the_seeds(tmp_path):
    trials, (rung, *_, top) = Trials(tmp_path / "trials.jsonl"), ladder()
    for seed, accuracy in enumerate((0.5, 0.75, 0.25)):
        trial = {"recipe": asdict(rung.recipe), "seed": seed, "accuracies": {"last": accuracy}}
        trials.done[ingredients._key(asdict(rung.recipe), seed)] = trial
    assert list(lines(trials, 2)) == [Line("ladder", rung.name, 2, 62.5, 50.0, 75.0)]
    assert list(lines(trials, 3)) == [Line("ladder", rung.name, 3, 50.0, 25.0, 75.0)]
    assert trials.of(top, 0) is None
    assert trials.of(Rung("", rung.recipe, Reading(views=True)), 0) is None


def test_the_page_has_the_tables_of_its_numbers():
    with (DOCS / "numbers" / "from_87_to_98.csv").open() as file:
        rows = [Line(part, name, int(seeds), *map(float, numbers)) for part, name, seeds, *numbers in csv.reader(file)
                if part != "part"]  # fmt: skip
    page = (DOCS / "from_87_to_98.md").read_text()
    names, known = [row.name for row in rows], [rung.name for rung in [*ladder(), *without()]]
    assert names == [name for name in known if name in names]
    assert names[: len(ladder())] == known[: len(ladder())]
    for part in ("ladder", "without"):
        assert table(rows, part) in page
