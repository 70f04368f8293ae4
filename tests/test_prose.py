"""Plain English: few unclear turns of phrase in any kind of text of the project."""

from collections import Counter

import pytest

from tools.prose import passages, uses, words

LIMIT = 10  # uses per 10,000 words


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
