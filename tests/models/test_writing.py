"""Generated text: sampled with the probabilities of the logits, continued from a state, and shown during training."""

import numpy as np
import pytest

from models import char_gpt, char_lstm
from models.shared import results, writing
from models.shared.text import Text, encode

ALPHABET = '\n "ab'


class Fixed(writing.Reader):
    """Reader with given probabilities of the characters, which counts the characters it reads."""

    def __init__(self, logits):
        self.logits = np.array(logits, np.float32)

    def read(self, codes, state):
        """Return the same logits after any text."""
        return self.logits, (state or 0) + len(codes)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_what_is_written_is_as_likely_as_the_logits_say(temperature):
    logits = np.log([0.5, 0.3, 0.2])
    written = writing.write(Fixed(logits), np.zeros(1, int), 4_000, temperature, np.random.default_rng(0))
    expected = np.exp(logits / temperature)
    np.testing.assert_allclose(np.bincount(written) / 4_000, expected / expected.sum(), atol=0.03)


@pytest.mark.parametrize("temperature", [1e-300, 1e-3])
def test_without_temperature_it_is_always_the_likeliest(temperature):
    with np.errstate(over="ignore"):
        written = writing.write(Fixed([1.0, 3.0, 2.0]), np.zeros(1, int), 50, temperature, np.random.default_rng(0))
    assert {*written} == {1}


def test_the_bits_of_logits_that_are_all_alike_are_those_of_the_alphabet():
    codes = np.array([[0, 1, 2], [3, 0, 3]])
    np.testing.assert_allclose(writing.bits(np.zeros((2, 8, 3)), codes), np.full((2, 3), 3.0))


def test_the_learning_rate_rises_and_sinks_to_nothing():
    rates = [writing.schedule(0.5, 1000)(step) for step in range(1001)]
    assert np.argmax(rates) == writing.RISING
    assert max(rates) == 0.5
    assert rates[1000] == 0
    assert np.argmax([writing.schedule(0.5, 8)(step) for step in range(8)]) == 2


@pytest.fixture(params=[char_gpt, char_lstm])
def program(request, monkeypatch):
    """Return a program with a small network and a small text."""
    sizes = {"WIDTH": 16, "HIDDEN": 16, "LAYERS": 2, "BATCH": 4, "SHARD": 2, "SHOWN": 20, "ASKED": 60}
    for name, size in sizes.items():
        monkeypatch.setattr(request.param, name, size, raising=False)
    monkeypatch.setattr(writing, "WRITTEN", 25)
    rng = np.random.default_rng(0)
    words = rng.choice(np.array(["a", "b", 'b"a"', "ab\n\n"]), 700)
    codes = encode(" ".join(words), ALPHABET)
    small = Text(ALPHABET, codes[:1500], codes[1500:])
    monkeypatch.setattr(request.param, "load", lambda: small)
    return request.param


def network(program):
    """Return the network of the program."""
    kind = program.CharGPT if program is char_gpt else program.CharLSTM
    return kind(len(ALPHABET), np.random.default_rng(0)).astype(np.float64)


def test_what_comes_later_changes_nothing_before(program):
    codes = np.random.default_rng(0).integers(0, 5, (2, 30))
    changed, model = codes.copy(), network(program)
    changed[:, 20:] = (codes[:, 20:] + 1) % 5
    before, after = (model(each).numpy() for each in (codes, changed))
    assert before.shape == (2, 5, 30)
    np.testing.assert_array_equal(before[..., :20], after[..., :20])
    assert (before[..., 20:] != after[..., 20:]).all()


def test_reading_on_is_reading_all_at_once(program):
    codes, model = np.random.default_rng(0).integers(0, 5, 40), network(program)
    state, at = None, 0
    for stop in (1, 2, 9, 40):
        logits, state = model.read(codes[at:stop], state)
        at = stop
        np.testing.assert_allclose(logits, model(codes[None, :stop]).numpy()[0, :, -1], rtol=1e-10, atol=1e-12)


@pytest.mark.thorough
def test_the_transformer_sees_what_is_in_its_window_and_no_more():
    model, codes = (
        char_gpt.CharGPT(len(ALPHABET), np.random.default_rng(0)),
        np.random.default_rng(1).integers(0, 5, 100),
    )
    first, _ = model.read(codes, None)
    second, _ = model.read(codes[-char_gpt.WINDOW :], None)
    np.testing.assert_array_equal(first, second)


@pytest.mark.thorough
def test_a_small_run_shows_samples_draws_and_says_what_was_to_be_beaten(program, tmp_path, capsys):
    assert program.main(["--epochs", "2", "--sample-every", "2", "--output", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert lines[0].startswith("epoch 1/2: loss")
    assert lines[-1].startswith("epoch 2/2: loss")
    assert len(lines) > 3
    assert all(line.startswith("    ") for line in lines[1:-1])
    summary = results.read_summary(tmp_path)
    assert f'"held_out_bits": {summary["held_out_bits"]}' in out
    assert 0.3 < summary["three_gram_bits"] < 0.8  # four words are easy to learn
    assert summary["files"].keys() > {"curve.png", "sample.txt"}
    assert len((tmp_path / "sample.txt").read_text()) == 4 * writing.WRITTEN
