"""Plain English: few unclear turns of phrase in any kind of text of the project."""

from collections import Counter

import pytest

from tools.prose import TURNS, Passage, passages, uses, words

LIMIT = 10  # uses per 10,000 words

EXAMPLES = {
    "what as a noun clause": "Return what the op computed.",
    "tell": "The error tells the shape.",
    "so many": "A tensor of so many elements.",
    "beside": "The bias beside the weight.",
    "stand": "The axis stands first.",
    "lie": "The samples lie innermost.",
    "whoever": "Whoever calls it gets an error.",
    "of which": "Two inputs, of which one is constant.",
    "shall": "The result shall be finite.",
    "come to": "It comes to the same.",
    "differentiate by": "The arguments to differentiate by.",
    "whole number": "A whole number of samples.",
    "go on": "The run goes on.",
}


@pytest.mark.thorough
def test_each_kind_of_text_has_few_unclear_turns():
    count, total, found = Counter(), Counter(), []
    for passage in passages():
        here = [f"{use.passage.path.name}:{use.line}: {use.context}" for use in uses(passage)]
        count[passage.kind] += len(here)
        total[passage.kind] += words(passage)
        found += here
    assert sum(total.values()) > 150_000  # the whole project was read
    rates = {kind: 1e4 * count[kind] / total[kind] for kind in total}
    assert not {kind: rate for kind, rate in rates.items() if rate > LIMIT}, "\n".join(found)


@pytest.mark.parametrize("turn", TURNS)
def test_each_turn_is_found(turn, tmp_path):
    text = EXAMPLES[turn]
    (use,) = uses(Passage("docs", tmp_path, 1, text))
    assert use.turn == turn


@pytest.mark.parametrize("text", ["What is a tensor?", "What does `backward()` do, and when?"])
def test_a_question_is_no_noun_clause(text, tmp_path):
    assert not list(uses(Passage("docs", tmp_path, 1, text)))
