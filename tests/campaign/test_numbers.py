"""The campaign on numbers: a short run without differences, and a planted fault is found."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu as tg
from tools.campaign.numbers import calls
from tools.campaign.numbers.campaign import NUMPY, play, play_all
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


@pytest.mark.thorough
def test_a_wrong_value_is_found_and_its_script_fails_with_it_alone(monkeypatch):
    wrong = "tg.cosh = lambda x: np.cosh(x) * (1 + 1e-6)"
    monkeypatch.setattr(tg, "cosh", tg.cosh)  # restores it after the test
    exec(wrong, {"tg": tg, "np": np})
    script = min(found(NUMPY._replace(usable=lambda line: "cosh" in calls.public_names(line)), range(20)), key=len)
    for fault in ("", wrong):
        program = script.replace("warnings.simplefilter", f"{fault}\nwarnings.simplefilter")
        run = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False)
        assert ("AssertionError" in run.stderr) == bool(run.returncode) == bool(fault)


@pytest.mark.parametrize("entry", LEDGER, ids=lambda entry: entry.title)
def test_a_test_holds_each_agreed_difference(entry):
    file, _, name = entry.test.partition("::")
    assert f"def {name}(" in (PROJECT / file).read_text()
    assert all(name in calls.every_name() for name in entry.functions)
    assert all((entry.when, entry.ours, entry.theirs, entry.reason))
