"""Tests of each lesson: the solution passes, each open hole fails and is named, and common mistakes are found."""

import re
import textwrap
from pathlib import Path

import pytest

from tests.effort import thorough
from tests.lessons.mistakes import MISTAKES
from tinygrad_edu import lessons
from tinygrad_edu.lessons.cases import Looking
from tinygrad_edu.lessons.complaints import subjects_of
from tinygrad_edu.lessons.judge import Code, judged, loaded, outcome_of, solved
from tinygrad_edu.lessons.ladder import PUZZLES
from tinygrad_edu.lessons.lesson import FINALE, LESSONS

ALL = (*LESSONS, FINALE)
INTERNAL = ("Traceback", "site-packages", "tinygrad_edu/", " object at 0x", "inspect._empty", "checks.py")
HOLES = [(lesson, hole) for lesson in ALL for hole in lesson.pieces]


def with_code(lesson, text):
    """Return a lesson's code and the solutions of the lessons before it."""
    return {each.name: solved(each) for each in lesson.before} | {lesson.name: Code("mine.py", text)}


THOROUGH, SLOW = (
    pytest.param(Looking(3), marks=pytest.mark.thorough),
    pytest.param(Looking(300), marks=pytest.mark.slow),
)


LONG = {"lesson09_second_order", "lesson13_joint_rules", "lesson14_vmap", "engine"}
SHORT = [lesson for lesson in ALL if lesson.name not in LONG]


@pytest.mark.parametrize("looking", [Looking(1), THOROUGH, SLOW], ids=str)
@pytest.mark.parametrize("lesson", thorough(ALL, quick=SHORT), ids=lambda lesson: lesson.name)
def test_the_solution_passes_every_case(lesson, looking):
    outcomes = list(judged(lesson, with_code(lesson, lesson.solution), looking))
    assert [outcome.complaint for outcome in outcomes] == [""] * len(lesson.cases)


def outcome(lesson, case, text, looking):
    """Return the outcome of one case, or of the import if that fails."""
    code = with_code(lesson, text)
    try:
        with loaded(code) as modules:
            return outcome_of(case, modules[lesson.name], {"mine.py"}, looking)
    except BaseException:  # in the import
        return next(judged(lesson, code))


@pytest.mark.parametrize(("lesson", "hole"), HOLES, ids=lambda x: getattr(x, "name", x))
def test_an_open_hole_fails_and_is_named(lesson, hole):
    case, text = next(case for case in lesson.cases if case.hole == hole), lesson.with_holes({hole})
    _, named, complaint = outcome(lesson, case, text, Looking(1))
    assert hole in (named, case.hole)
    if lesson.pieces[hole].startswith(" "):
        line = next(k for k, line in enumerate(text.splitlines(), 1) if f'Error("{hole}")' in line)
        assert complaint.startswith(f"The hole {hole} is still open.\nmine.py, line {line}, in ")
    else:  # at module level, where an open hole is empty
        assert " has no vjp for " in complaint or "engine.py has no Tensor" in complaint


EACH = [pytest.param(*key, marks=[] if k % 6 == 0 else pytest.mark.thorough) for k, key in enumerate(MISTAKES)]


@pytest.mark.parametrize(("word", "hole", "mistake"), EACH)
def test_a_mistake_is_found_and_shown(word, hole, mistake):
    lesson = next(lesson for lesson in ALL if lesson.word == str(word))
    code, name, said = MISTAKES[word, hole, mistake]
    indent = len(lesson.pieces[hole]) - len(lesson.pieces[hole].lstrip())
    text = lesson.with_holes((), {hole: textwrap.indent(code, " " * indent) + "\n"})
    case = next(case for case in lesson.cases if case.function.__name__ == name)
    _, named, complaint = outcome(lesson, case, text, Looking(100, shrinks=False))
    assert complaint
    assert said in complaint
    assert hole in (named, case.hole)
    assert len(complaint.splitlines()) < 20
    assert not any(internal in complaint for internal in INTERNAL)


# Bodies of a hole that raise an error in one line. A hole at module level has an assignment in place of the return.
FAULTY = {
    "a division": "return 1 / 0",
    "a wrong type": "return len(3)",
    "a name": "return undefined",
    "another NotImplementedError": "raise NotImplementedError",
    "an error on purpose": "raise ValueError('no')",
    "an exit": "exit()",
    "a StopIteration": "raise StopIteration",
    "any exception": "raise BaseException('no')",
    "a syntax error": "return 1 +",
    "an open bracket": "return (1,",
    "a wrong indent": "if True:\nreturn 1",
    "a nested function": "def h():\n    return 1 / 0\nreturn h()",
    "a lambda": "return (lambda: 1 / 0)()",
    "a comprehension": "return [1 / 0 for _ in range(2)]",
    "a generator": "return list(1 / 0 for _ in range(2))",
    "a decorator": "def d(f):\n    return f(1 / 0)\n@d\ndef h(x):\n    return x\nreturn h",
    "a class": "class H:\n    x = 1 / 0\nreturn H",
    "a key": "return sorted([1, 2], key=lambda k: 1 / 0)",
    "NumPy": "from numpy import linalg\nreturn linalg.inv(3)",
    "several lines": "return (\n    1\n    / 0\n)",
    "a chain": "try:\n    1 / 0\nexcept Exception as e:\n    raise ValueError('no') from e",
    "infinite recursion": "recurse = lambda: recurse()\nreturn recurse()",  # the slowest
}
FAULTY_HOLES = [pytest.param(*each, [*FAULTY], marks=pytest.mark.thorough) for each in HOLES]
FAULTY_HOLES += [(LESSONS[5], hole, [*FAULTY][k:-1:9]) for k, hole in enumerate(LESSONS[5].pieces)]


@pytest.mark.parametrize(("lesson", "hole", "faults"), FAULTY_HOLES, ids=lambda x: getattr(x, "name", None))
def test_an_error_in_a_hole_names_the_hole_and_a_line_of_it(lesson, hole, faults):
    piece = lesson.pieces[hole]
    indent = len(piece) - len(piece.lstrip())
    case = next(case for case in lesson.cases if case.hole == hole)
    for fault in faults:
        code = FAULTY[fault] if indent else FAULTY[fault].replace("return ", "_ = ")
        code = textwrap.indent(f"# YOUR TURN: {hole}\n{code}\n", " " * indent)
        text = lesson.with_holes((), {hole: code})
        first = text[: text.index(code)].count("\n") + 1
        found = outcome(lesson, case, text, Looking(1, shrinks=False))
        assert found.hole == hole, f"{fault}: {found}"
        lines = [int(line) for line in re.findall(r"^mine\.py, line (\d+)", found.complaint, re.MULTILINE)]
        assert first < lines[-1] <= first + code.count("\n"), f"{fault}: {found}"


@pytest.mark.parametrize("wrong", ["return None", "pass", "return 0", "return 1.5"])
def test_a_wrong_result_that_fails_the_import_is_in_the_hole_that_returned_it(wrong):
    text = LESSONS[5].with_holes((), {"arguments_of": f"    {wrong}\n"})
    found = next(judged(LESSONS[5], with_code(LESSONS[5], text), Looking(1)))
    assert (found.title, found.hole) == ("The file can be imported", "arguments_of")


_HALF = "divide.vjps(x=lambda g, y: {}, y=lambda g, out, y: {})"
_ABOUT_X, _ABOUT_Y = "For x: x / y is linear", "For y: The derivative"
WRONG_INPUTS = {  # the lesson, the hole, the code, and the beginning of the first hint
    "y": (6, "divide", _HALF.format("g / y", "g * out / y"), _ABOUT_Y),
    "x": (6, "divide", _HALF.format("g * y", "-g * out / y"), _ABOUT_X),
    "an error for y": (6, "divide", _HALF.format("g / y", "oot"), _ABOUT_Y),
    "an error for x": (6, "divide", _HALF.format("yy", "-g * out / y"), _ABOUT_X),
    "an error for y, in a function": (
        6,
        "divide",
        "def second(g):\n    return g / 0j.x\ndivide.vjps(x=lambda g, y: g / y, y=second)",
        _ABOUT_Y,
    ),
    "no vjp of y": (6, "divide", "divide.vjps(x=lambda g, y: g / y)", _ABOUT_Y),
    "a tuple for y": (6, "divide", _HALF.format("g / y", "(g,)"), _ABOUT_Y),
    "kernels": (
        11,
        "correlate",
        "correlate.vjps(images=lambda g, kernels: correlate_images(g, kernels),\n"
        "    kernels=lambda g, images: 2 * correlate_kernels(g, images))",
        "For kernels: ",
    ),
    "images": (
        11,
        "correlate_kernels",
        "correlate_kernels.vjps(maps=lambda g, images: correlate(images, g), images=lambda g, maps: -g)",
        "For images: ",
    ),
    "maps": (
        11,
        "correlate_images",
        "correlate_images.vjps(maps=lambda g, kernels: -1 * correlate(g, kernels),\n"
        "    kernels=lambda g, maps: correlate_kernels(maps, g))",
        "For maps: ",
    ),
    "the sum": (
        6,
        "sum",
        "broadcast_to.vjps(x=lambda g, x_shape: unbroadcast(g, x_shape))\n"
        "sum.vjps(x=lambda g, x_shape: broadcast_to(g.sum(), shape=x_shape))",
        "For sum: ",
    ),
}


@pytest.mark.parametrize("subject", thorough(WRONG_INPUTS, quick=["y", "x", "an error for y", "no vjp of y"]))
def test_the_hints_are_about_the_input_that_is_wrong(subject):
    word, hole, code, said = WRONG_INPUTS[subject]
    lesson = LESSONS[word - 1]
    text = lesson.with_holes((), {hole: f"{code}\n"})
    cases = [case for case in lesson.cases if case.hole == hole]
    title, _, complaint = next(
        each for case in cases if (each := outcome(lesson, case, text, Looking(20, shrinks=False))).complaint
    )
    hints = lesson.hints_on(hole, subjects_of(f"{title}\n{complaint}"))
    about = [hint for hint in hints if hint.startswith("For ")]
    assert len(about) == 1
    assert about[0].startswith(said)
    assert hints[-1] == lesson.hints[hole][-1]


@pytest.mark.parametrize("lesson", thorough([*ALL, PUZZLES], quick=[*LESSONS, PUZZLES]), ids=lambda lesson: lesson.name)
def test_the_closing_blocks_of_a_page_run_alone_after_the_solution(lesson):
    python = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
    closing = lesson.page.rpartition("\npython -m tinygrad_edu.lessons check")[2]
    blocks = {*python.findall(closing), python.findall(lesson.page)[-1]}
    with loaded({each.name: solved(each) for each in (*lesson.before, lesson)}):
        for block in blocks:
            exec(compile(block, "page.md", "exec"), {})


# A hole, a call in it that fails, and the code above. An error in a hole itself is in FAULTY.
CALLS = ("order", "helper(root)", "def helper(x):\n    return x.parent\n"), ("paths", "order(5)", "")


@pytest.mark.parametrize(("hole", "call", "above"), CALLS)
def test_a_hint_is_on_the_hole_of_the_innermost_line_of_the_student(hole, call, above):
    lesson = LESSONS[2]
    text = above + lesson.with_holes((), {hole: f"    return {call}\n"})
    case = next(case for case in lesson.cases if case.hole == hole)
    _, named, complaint = outcome(lesson, case, text, Looking(1, shrinks=False))
    assert named == "order"
    assert "mine.py, line " in complaint


@pytest.mark.parametrize("lesson", [*ALL, PUZZLES], ids=lambda lesson: lesson.name)
def test_each_line_is_in_its_hole(lesson):
    holes = dict.fromkeys(range(1, len(lesson.solution.splitlines()) + 1))
    line, marked = 1, (Path(lessons.__file__).parent / lesson.name / "solution.py").read_text("utf-8").splitlines()
    hole = None
    for text in marked:
        if text.strip().startswith("# hole: "):
            hole = text.partition(",")[0].split()[-1]
        elif text.strip() == "# end":
            hole = None
        else:
            holes[line], line = hole, line + 1
    blank = {k for k, text in enumerate(lesson.solution.splitlines(), 1) if not text.strip()}
    found = {k: lesson.hole_at(lesson.solution, k) for k in holes if k not in blank}
    assert found == {k: hole for k, hole in holes.items() if k not in blank}


@pytest.mark.parametrize("lesson", ALL, ids=lambda lesson: lesson.name)
def test_each_hole_has_hints_a_case_and_mistakes(lesson):
    assert list(lesson.hints) == list(lesson.pieces)
    assert all(len(hints) >= 2 for hints in lesson.hints.values())
    assert {case.hole for case in lesson.cases} == set(lesson.pieces)
    assert {hole for word, hole, _ in MISTAKES if str(word) == lesson.word} == set(lesson.pieces)


@pytest.mark.parametrize("lesson", ALL, ids=lambda lesson: lesson.name)
def test_the_exercise_is_the_solution_but_for_its_holes(lesson):
    assert "# hole:" not in lesson.exercise + lesson.solution
    assert "# end" not in lesson.exercise + lesson.solution
    for hole, piece in lesson.pieces.items():
        assert piece not in lesson.exercise
        assert piece in lesson.solution
        assert f"YOUR TURN: {hole}\n" in lesson.exercise
        assert f"`{hole}`" in lesson.page, "the page lists each hole"
    assert lesson is FINALE or lesson.page.startswith(f"# {lesson.word}. ")
    assert f"check {lesson.word}\n" in lesson.page


def test_the_page_about_the_lessons_lists_them():
    page = (Path(__file__).parents[2] / "docs" / "lessons.md").read_text()
    listed = [f"{each.word}. [{each.title}](../tinygrad_edu/lessons/{each.name}/page.md)" for each in LESSONS]
    assert [line for line in page.splitlines() if line[:1].isdigit()] == listed
