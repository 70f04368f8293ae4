"""The time limit: a second process ends, or else a trace function ends every loop, and the previous one is restored."""

import sys
from threading import Thread
from time import monotonic

import pytest
from hypothesis import currently_in_test_context

from tests.effort import thorough
from tinygrad_edu.lessons import time_limit
from tinygrad_edu.lessons.cases import Looking
from tinygrad_edu.lessons.judge import Code, solved
from tinygrad_edu.lessons.ladder import PUZZLES
from tinygrad_edu.lessons.lesson import FINALE, LESSONS
from tinygrad_edu.lessons.time_limit import _TracedCall, judged_in_time

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


@pytest.fixture
def no_process(monkeypatch):
    """Let no process and no thread be started, as in Pyodide."""

    def start(*_):
        raise RuntimeError("can't start new thread")

    def started(*_):
        raise OSError("no processes")

    monkeypatch.setattr(Thread, "start", start)
    monkeypatch.setattr(time_limit, "_started", started)


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
        stuck = _TracedCall(lambda: monotonic() > end, {"mine.py"}).run(function(LOOPS[loop]))
        assert sys.gettrace() is other
    finally:
        sys.settrace(before)
    assert any(frame.filename == "mine.py" for frame in stuck)


def test_a_generator_that_outlives_the_call_is_not_interrupted():
    kept, late = [], []
    text = "def numbers():\n    while True:\n        yield 1\n"
    namespace = {}
    exec(compile(text, "mine.py", "exec"), namespace)

    def begin():
        kept.append(namespace["numbers"]())
        next(kept[0])

    assert _TracedCall(lambda: bool(late), {"mine.py"}).run(begin) is None
    late.append(True)
    before = sys.gettrace()
    sys.settrace(lambda *_: None)
    try:
        assert next(kept[0]) == 1
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_errors_are_raised(error):
    with pytest.raises(error):
        _TracedCall(lambda: False, ()).run(lambda: (_ for _ in ()).throw(error))


@pytest.mark.parametrize("lesson", thorough([LESSONS[6], FINALE]), ids=lambda lesson: lesson.name)
def test_lessons_with_threads_in_their_cases_pass(lesson, no_process):
    sources = {each.name: solved(each) for each in (*lesson.before, lesson)}
    outcomes = list(judged_in_time(lesson, sources, Looking(1)))
    assert [outcome.complaint for outcome in outcomes] == [""] * len(lesson.cases)


@pytest.fixture
def quick(monkeypatch):
    """Set a short time limit, and fork although pytest may have started a thread."""
    monkeypatch.setattr(time_limit, "PATIENCE", 0.5)
    monkeypatch.setattr(time_limit, "_SLOWER", 1.0)
    monkeypatch.setattr(time_limit, "active_count", lambda: 1)


def stopped(text, lesson=ORDER):
    """Return the outcome of a code that does not end."""
    sources = {each.name: solved(each) for each in lesson.before if lesson is not PUZZLES}
    (outcome,) = judged_in_time(lesson, sources | {lesson.name: Code("mine.py", text)}, Looking(1))
    return outcome


LOOP = "from lesson02_scalars import Value\ndef order(root):\n    while True:\n        try: 0\n        except: 0\n"


@pytest.mark.thorough
def test_the_line_of_a_loop_is_named_under_a_trace_function(no_process, quick):
    outcome = stopped(LOOP)
    assert "is there an infinite loop?\nmine.py, line " in outcome.complaint
    assert "The smallest failing example" in outcome.complaint
    assert outcome.hole == "order"
    assert not currently_in_test_context()  # Hypothesis has cleaned up
    assert "\nmine.py, line 1, in <module>\n" in stopped("while True: pass\n").complaint


ENDLESS = "is there an infinite loop?\nmine.py, line "
STUCK = {  # the code, and a part of the complaint
    "a loop at the top": ("while True: pass\n", ENDLESS + "1, in <module>\n    while True: pass"),
    "a pause at the top": ("import time\ntime.sleep(1000)\n", ENDLESS + "2, in <module>"),
    "a decorator": ("def f(g):\n    while True: 0\n@f\ndef order(root): 0\n", "\nmine.py, line 2, in f\n"),
    "a loop that catches all": (LOOP, ENDLESS),
    "a sum": ("def order(root):\n    return sum(range(10**14))\n", ENDLESS + "2, in order"),
    "NumPy": (
        "import numpy as np\ndef order(root):\n    x = np.ones((2000, 2000))\n    while True: x = x @ x\n",
        ENDLESS,
    ),
    "a thread": (
        "from threading import Thread\ndef spin():\n    while True: 0\ndef order(root):\n"
        "    other = Thread(target=spin)\n    other.start()\n    other.join()\n",
        "\nmine.py, line 3, in spin",
    ),
    "an exit": ("import os\ndef order(root):\n    os._exit(0)\n", "The code ended Python.\n"),
    "a crash": (
        "import ctypes\ndef order(root):\n    ctypes.string_at(0)\n",
        "The code ended Python. Fatal Python error: Segmentation fault\nmine.py, line 3, in order",
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("code", thorough(STUCK, quick=["a loop at the top", "a sum", "an exit"]))
def test_what_does_not_end_is_stopped_and_its_line_is_named(code, quick):
    text, said = STUCK[code]
    text = text if "def order" in text else text + ORDER.solution
    outcome = stopped(f"{text}\nfrom lesson02_scalars import Value\n")
    assert said in outcome.complaint
    assert outcome.hole == ("order" if "def order" in STUCK[code][0] else None)


@pytest.mark.thorough
def test_a_loop_in_an_earlier_lesson_or_in_the_puzzles_is_stopped(quick):
    assert ENDLESS + "1, in <module>" in stopped("while True: pass\n", PUZZLES).complaint
    sources = {each.name: solved(each) for each in ORDER.before} | {ORDER.name: solved(ORDER)}
    sources[LESSONS[1].name] = Code("earlier.py", "import time\ntime.sleep(1000)\n")
    (outcome,) = judged_in_time(ORDER, sources, Looking(1))
    assert "earlier.py, line 2, in <module>" in outcome.complaint


@pytest.mark.thorough
def test_a_process_that_is_not_forked_gives_the_same_outcomes_and_prints(monkeypatch, capsys):
    monkeypatch.setattr(time_limit, "active_count", lambda: 2)
    text = f"{ORDER.solution}\nprint('imported')\n"
    sources = {each.name: solved(each) for each in ORDER.before} | {ORDER.name: Code("mine.py", text)}
    assert [outcome.complaint for outcome in judged_in_time(ORDER, sources, Looking(1))] == [""] * len(ORDER.cases)
    assert capsys.readouterr().out == "imported\n"
