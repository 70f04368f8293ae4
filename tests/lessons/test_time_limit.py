"""The time limit where no thread can be started: a trace function ends every loop, and the previous one is restored."""

import sys
from threading import Thread
from time import monotonic

import pytest
from hypothesis import currently_in_test_context

from tests.effort import thorough
from tinygrad_edu.lessons import judge
from tinygrad_edu.lessons.cases import Looking
from tinygrad_edu.lessons.judge import Code, judged, solved
from tinygrad_edu.lessons.lesson import FINALE, LESSONS
from tinygrad_edu.lessons.time_limit import Ended, call_until

ORDER = LESSONS[2]
LOOPS = {
    "on a line": "while True: pass",
    "without a call": "x = 0\nwhile True:\n    x += 1",
    "in nested functions": "def g():\n    def h():\n        while True:\n            x = 1\n    h()\ng()",
    "over a generator": "def g():\n    while True:\n        yield 1\nfor x in g():\n    pass",
    "of calls by C": "from itertools import count\nany(map(lambda x: False, count()))",
    "in a comprehension": "from itertools import count\n[x for x in count() if x < 0]",
    "that catches all": "while True:\n    try:\n        x = 1\n    except:\n        pass",
    "that keeps the error": "while True:\n    try:\n        x = 1\n    except BaseException as e:\n        kept = e",
    "around one that catches": "while True:\n    try:\n        while True:\n            x = 1\n    except: pass",
    "that ends in finally": "while True:\n    try:\n        x = 1\n    finally:\n        continue",
    "of errors that a manager drops": (
        "from contextlib import suppress\nwhile True:\n    with suppress(BaseException):\n        while True: pass"
    ),
}


@pytest.fixture(autouse=True)
def no_threads(monkeypatch):
    def start(thread):
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(Thread, "start", start)


def function(body):
    namespace = {}
    exec(compile("def f():\n" + "".join(f"    {line}\n" for line in body.splitlines()), "mine.py", "exec"), namespace)
    return namespace["f"]


# The end of a generator is the last to be interrupted, and Python reports an error there instead of raising it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("loop", LOOPS)
def test_every_loop_ends_and_the_trace_function_is_restored(loop):
    def other(frame, event, argument):
        return None

    before, end = sys.gettrace(), monotonic() + 0.1
    sys.settrace(other)
    try:
        error, stuck = call_until(lambda _: monotonic() > end, function(LOOPS[loop]), {"mine.py"})
        assert sys.gettrace() is other
    finally:
        sys.settrace(before)
    assert error is None
    assert any(frame.filename == "mine.py" for frame in stuck)


def test_a_generator_that_outlives_the_call_is_not_interrupted():
    kept, late = [], []
    text = "def numbers():\n    while True:\n        yield 1\n"
    namespace = {}
    exec(compile(text, "mine.py", "exec"), namespace)

    def begin():
        kept.append(namespace["numbers"]())
        next(kept[0])

    assert call_until(lambda _: bool(late), begin, {"mine.py"}) == Ended()
    late.append(True)
    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        assert next(kept[0]) == 1
    finally:
        sys.settrace(before)


def test_errors_are_returned_and_ctrl_c_is_not():
    for error in (ValueError("wrong"), SystemExit(3)):
        assert call_until(lambda _: False, lambda error=error: (_ for _ in ()).throw(error), ()).error is error
    with pytest.raises(KeyboardInterrupt):
        call_until(lambda _: False, lambda: (_ for _ in ()).throw(KeyboardInterrupt), ())


@pytest.mark.parametrize("lesson", thorough([LESSONS[6], FINALE], quick=[LESSONS[6]]), ids=lambda lesson: lesson.name)
def test_lessons_with_threads_in_their_cases_pass(lesson):
    sources = {each.name: solved(each) for each in (*lesson.before, lesson)}
    outcomes = list(judged(lesson, sources, Looking(1)))
    assert [outcome.complaint for outcome in outcomes] == [""] * len(lesson.cases)


def test_the_judge_names_the_line_of_the_loop(monkeypatch):
    monkeypatch.setattr(judge, "PATIENCE", 0.1)
    text = "from lesson02_scalars import Value\ndef order(root):\n    while True:\n        try: 0\n        except: 0\n"
    sources = {each.name: solved(each) for each in ORDER.before} | {ORDER.name: Code("mine.py", text)}
    (outcome,) = judged(ORDER, sources)
    assert "is there an infinite loop?\nmine.py, line " in outcome.complaint
    assert "The smallest failing example" in outcome.complaint
    assert not currently_in_test_context()  # Hypothesis has cleaned up
