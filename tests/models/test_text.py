"""The text: no held-out text is in the training part, and windows contain the text."""

import numpy as np
import pytest

from models.shared import text


@pytest.fixture(scope="module")
def book():
    return text.load()


def test_it_is_the_documentation_that_python_ships(book):
    assert len(book.train) > 250_000
    assert 0.05 < len(book.held_out) / len(book.train) < 0.25
    assert '"while" statement' in book.decode(book.train)
    assert list(book.alphabet) == sorted(set(book.alphabet))
    np.testing.assert_array_equal(book.encode(book.decode(book.held_out)), book.held_out)


def test_no_paragraph_that_is_held_out_is_learned_from(book):
    known = {" ".join(paragraph.split()) for paragraph in book.decode(book.train).split("\n\n")}
    held_out = [" ".join(paragraph.split()) for paragraph in book.decode(book.held_out).strip().split("\n\n")]
    assert len(held_out) == len(set(held_out)) > 50
    assert known.isdisjoint(held_out)


def test_a_passage_begins_after_the_first_title(book):
    passage = book.passage(100)
    assert len(passage) == 100
    assert book.decode(book.held_out).split("\n\n")[1].startswith(passage[:20])


def test_what_follows_is_the_text_one_character_further():
    x, y = text.side_by_side(np.arange(100), 8)
    assert x.shape == y.shape == (12, 8)
    np.testing.assert_array_equal(x.ravel(), np.arange(96))
    np.testing.assert_array_equal(y, x + 1)


@pytest.mark.parametrize("length", [9, 10, 11])
def test_the_windows_of_an_epoch_begin_elsewhere_each_time_and_stay_in_the_text(length):
    loader = text.loader(np.arange(101), length, 1, np.random.default_rng(0))
    epochs = [np.concatenate([x for x, _ in loader]) for _ in range(50)]
    assert {len(x) for x in epochs} == {len(epochs[0])}
    assert not np.array_equal(np.sort(epochs[0][:, 0]), np.sort(epochs[1][:, 0]))
    assert {*range(80)} < {*np.concatenate(epochs).ravel()} < {*range(100)}
    for x, y in loader:
        np.testing.assert_array_equal(y, x + 1)
