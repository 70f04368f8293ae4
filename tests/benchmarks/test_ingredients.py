"""Ladder of ingredients: rungs differ, and a line has the mean and the spread of its seeds."""

from dataclasses import asdict
from itertools import pairwise

from benchmarks import ingredients
from benchmarks.ingredients import Line, Reading, Rung, Trials, ladder, lines, without


def test_each_rung_is_another_and_each_that_is_left_out_differs_from_the_top():
    rungs, top = ladder(), ladder()[-1]
    assert all(a[1:] != b[1:] for a, b in pairwise(rungs))
    assert all(rung[1:] != top[1:] for rung in without())
    assert len({rung.name for rung in [*rungs, *without()]}) == len(rungs) + len(without())


def test_a_line_has_the_mean_and_the_spread_of_the_seeds(tmp_path):
    trials, (rung, *_, top) = Trials(tmp_path / "trials.jsonl"), ladder()
    for seed, accuracy in enumerate((0.5, 0.75, 0.25)):
        trial = {"recipe": asdict(rung.recipe), "seed": seed, "accuracies": {"last": accuracy}}
        trials.done[ingredients._key(asdict(rung.recipe), seed)] = trial
    assert list(lines(trials, 2)) == [Line("ladder", rung.name, 2, 62.5, 50.0, 75.0)]
    assert list(lines(trials, 3)) == [Line("ladder", rung.name, 3, 50.0, 25.0, 75.0)]
    assert trials.of(top, 0) is None
    assert trials.of(Rung("", rung.recipe, Reading(views=True)), 0) is None
