"""Tests of the campaign on numbers: a short run without differences, and detection and reduction of planted faults."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg
from tools.campaign.numbers import calls, drawing, program, reducing
from tools.campaign.numbers.campaign import NUMPY, PYTORCH, play, play_all
from tools.campaign.numbers.ledger import LEDGER

PROJECT = Path(__file__).parents[2]
# Helpers and containers without a call to compare, and functions that PyTorch lacks or that take no array.
WITHOUT_CALLS = {
    "linalg.LinAlgError", "nn.Identity", "nn.Lambda", "nn.ModuleDict", "nn.ModuleList", "nn.Residual", "nn.Sequential",
    "nn.pad_sequence", "nn.HookHandle", "nn.IncompatibleKeys", "nn.Module", "nn.Summary", "nn.additive",
    "nn.current_stream", "nn.Orthogonal", "nn.SpectralNorm", "nn.WeightNorm", "nn.parametrize",
    "nn.remove_parametrization", "nn.functional_call", "nn.init", "nn.random_stream",
    "nn.summary", "nn.KeyValueCache", "nn.PackedSequence", "nn.RotaryEmbedding", "nn.pack_padded_sequence",
    "nn.pad_packed_sequence", "nn.load_weights", "digitize", "histogram", "interp", "tril_indices", "triu_indices",
    # PyTorch's Bessel functions of these orders have no derivative.
    "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_k0", "modified_bessel_k1",
}  # fmt: skip


def test_every_public_function_and_layer_is_drawn():
    drawn = set().union(*(calls.public_names(line) for line in calls.lines()))
    assert calls.every_name() - drawn == WITHOUT_CALLS


def found(judge, seeds):
    return {text for seed in seeds for text in [play(seed, judge)[1]] if text}


def test_numpy_agrees():
    assert found(NUMPY, range(300)) == set()


@pytest.mark.peers
def test_pytorch_agrees():
    figures, failed = play_all(range(300))
    assert failed == []
    assert figures["agree"] > 200


def failure_of(script):
    run = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=False)
    return run.stderr


def draw_calls_of(judge, name):
    """Return the judge for calls of one function only."""
    return judge._replace(usable=lambda line: name in calls.public_names(line) and judge.usable(line))


def shows(script, wrong):
    """Assert that a script passes, and that it fails with the planted fault `wrong`."""
    assert failure_of(script) == ""
    assert "AssertionError" in failure_of(script.replace("warnings.simplefilter", f"{wrong}\nwarnings.simplefilter"))


@pytest.mark.thorough
def test_a_wrong_value_is_found_and_reduced(monkeypatch):
    wrong = "tg.cosh = lambda x: np.cosh(x) * (1 + 1e-6)"
    monkeypatch.setattr(tg, "cosh", tg.cosh)  # restores it after the test
    exec(wrong, {"tg": tg, "np": np})
    script = min(found(draw_calls_of(NUMPY, "cosh"), range(20)), key=len)
    shows(script, wrong)


@pytest.mark.peers
def test_a_wrong_gradient_is_found_and_reduced():
    wrong = "tg.tanh.vjps(x=lambda g, out: g * (1 - out))"
    right = tg.tanh.vjp_functions
    try:
        exec(wrong, {"tg": tg})
        script = min(found(draw_calls_of(PYTORCH, "tanh"), range(20)), key=len)
    finally:
        tg.tanh.vjps(**right)
    shows(script, wrong)


def test_a_program_is_reduced_to_the_call_and_the_number_that_differ():
    inputs = {"x": drawing.ARRANGED["fortran"](np.arange(12.0).reshape(3, 4)), "y": np.full((3, 4), 5.5)}
    step = [program.Step("r0", "tg.add(x, y)", ""), program.Step("r1", "tg.exp(r0)", "")]
    start = program.Program(inputs, frozenset(), tuple(step))
    smaller = reducing.reduced(
        start, lambda p: any("exp" in s.ours for s in p.steps) and (p.inputs.get("r0", 0) != 0).any()
    )
    assert [each.ours for each in smaller.steps] == ["tg.exp(r0)"]
    assert smaller.inputs["r0"].tolist() == [[1.0]]


@pytest.mark.parametrize("entry", LEDGER, ids=lambda entry: entry.title)
def test_a_test_holds_each_agreed_difference(entry):
    file, _, name = entry.test.partition("::")
    assert f"def {name}(" in (PROJECT / file).read_text()
    assert all(name in calls.every_name() for name in entry.functions)
    assert all((entry.when, entry.ours, entry.theirs, entry.reason))
