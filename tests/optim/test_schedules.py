"""Learning-rate schedules: values and errors."""

import math

import pytest

from tinygrad_edu.optim.schedules import Plateau, constant, cosine, one_cycle, step, warm_up


def test_what_is_saved_of_a_plateau_goes_on_the_same():
    whole = Plateau(1.0, patience=1, cooldown=1)
    for metric in (3.0, 2.0, 2.5):
        whole(metric)
    part = Plateau(0.0)
    vars(part).update(vars(whole))
    for metric in (2.5, math.nan, 2.5, 1.0, 1.0, 1.0, 1.0):
        assert part(metric) == whole(metric)
    assert part.lr == pytest.approx(0.01)


def test_lengths_that_are_none_are_refused():
    with pytest.raises(ValueError, match="cosine: steps must be a number > 0, got 0"):
        cosine(0.1, 0)
    assert (cosine(0.1, 1)(2), step(0.1, 1)(0)) == (0, 0.1)  # 1 is allowed, and a cosine stays at its end
    with pytest.raises(ValueError, match="step: step_size must be a number >= 1, got 0"):
        step(0.1, 0)
    with pytest.raises(ValueError, match="warm_up: steps must be a number >= 1, got 0"):
        warm_up(constant(0.1), 0)
    with pytest.raises(ValueError, match=r"one_cycle: pct_start must be between 1 / 10 \(one step\) and 1, got 0.1"):
        one_cycle(0.1, 10, pct_start=0.1)
    for settings in ({"mode": "least"}, {"threshold_mode": "sum"}, {"factor": 1.0}):
        with pytest.raises(ValueError, match=f"Plateau: {next(iter(settings))} must be "):
            Plateau(0.1, **settings)
