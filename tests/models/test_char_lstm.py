"""The character LSTM: its cell states, and its loss compared with the 3-gram model's."""

import numpy as np
import pytest

from models import char_lstm


def test_a_quotation_is_inside_from_its_first_mark_to_the_one_that_ends_it_or_the_paragraph():
    passage = 'a "b c" d "e\n\nf "g" h'
    marks = "..iiii....iiii..ii..."
    assert "".join(np.where(char_lstm.inside_quotes(passage), "i", ".")) == marks


def test_the_cell_that_tells_most_is_found_in_either_direction():
    inside = np.random.default_rng(0).random(200) < 0.3
    cells = np.random.default_rng(1).normal(size=(200, 5))
    cells[:, 3] -= 4 * inside
    cell, agreement = char_lstm.quote_cell(cells, inside)
    assert cell == 3
    assert agreement == pytest.approx(np.corrcoef(cells[:, 3], inside)[0, 1])
    assert agreement < -0.8


def test_the_cells_are_those_of_the_network():
    model, codes = char_lstm.CharLSTM(9, np.random.default_rng(0)), np.random.default_rng(1).integers(0, 9, 7)
    cells = model.cells(codes)
    _, (_, last) = model.lstm(model.characters(codes[None]))
    assert cells.shape == (7, char_lstm.HIDDEN)
    np.testing.assert_allclose(cells[-1], np.tanh(last.numpy()[0, 0]), rtol=1e-4, atol=1e-6)
