"""Comparison of a student's code with the core: every declared definition exists, and both codes are shown."""

import sys

import pytest

from tinygrad_edu import lessons
from tinygrad_edu.core_copy import definitions, reading_order
from tinygrad_edu.errors import LessonError
from tinygrad_edu.lessons import cells
from tinygrad_edu.lessons.comparison import counterparts, side_by_side, source_text, table
from tinygrad_edu.lessons.folder import Folder
from tinygrad_edu.lessons.lesson import FINALE, LESSONS

CORE = {f"{file.stem}.{name}" for file in reading_order() for name in definitions(file.read_text("utf-8"))}
WITH_PAIRS = [lesson for lesson in (*LESSONS, FINALE) if lesson.in_the_core]


@pytest.fixture
def folder(tmp_path):
    """Return a folder in which all lessons are solved."""
    folder, _ = Folder.start(tmp_path)
    for lesson in (*LESSONS, FINALE):
        folder.save(lesson, lesson.solution)
    return folder


@pytest.mark.parametrize("lesson", WITH_PAIRS, ids=lambda lesson: lesson.name)
def test_each_pair_has_the_code_of_the_hole_and_that_of_the_core(lesson, folder):
    for part in counterparts(lesson):
        assert {*part.core} <= CORE
        mine, core = part.codes(folder)
        piece = part.lesson.pieces[part.hole]
        assert [line for line in piece.split("\n") if line.strip() not in mine] == []
        assert all(name.rpartition(".")[2] in core for name in part.core)
        assert f"# core/{part.core[0].partition('.')[0]}.py has no" not in core


def test_the_lessons_before_the_library_s_additions_build_the_core():
    built = {name for lesson in WITH_PAIRS for names in lesson.in_the_core.values() for name in names}
    assert {*map(str, range(1, 13))} - {lesson.word for lesson in WITH_PAIRS} == {"9"}  # second order
    assert {line.split()[0] for line in table().splitlines() if line.startswith(" ")} == {
        name.partition(".")[2] for name in built
    }


def test_the_page_of_the_finale_has_the_table():
    assert f"```text\n{table()}\n```" in FINALE.page


@pytest.mark.parametrize("width", [80, 100, 150])
def test_two_columns_fit_the_terminal_and_lose_nothing(width, folder):
    shown = side_by_side(LESSONS[6], folder, width)
    columns = [slice(None)] if width < 100 else [slice((width - 3) // 2), slice((width - 3) // 2 + 3, width)]
    lines = shown.splitlines()
    assert width < 100 or all(len(line) <= width for line in lines)
    texts = ["".join("".join(line[column] for line in lines).split()) for column in columns]
    for part in counterparts(LESSONS[6]):
        for text, code in zip(texts * 2, part.codes(folder), strict=False):
            assert "".join(code.split()) in text


def test_a_notebook_shows_two_columns(folder, monkeypatch):
    monkeypatch.setattr(cells, "_IMPORTER", cells._Importer())
    monkeypatch.setattr("sys.meta_path", list(sys.meta_path))
    lessons.start(folder.path)
    shown = lessons.compare(7)
    assert shown._repr_html_().count("<pre") == 2 * len(counterparts(LESSONS[6]))
    assert "x.__class__" not in repr(shown)
    assert "token = recording.set(False)" in repr(shown)


def test_what_cannot_be_compared_is_said(folder):
    with pytest.raises(LessonError, match="lesson14_vmap builds nothing that is in the core"):
        counterparts(LESSONS[13])
    with pytest.raises(LessonError, match=r"mine\.py cannot be compared"):
        source_text("def f(:", "f", "mine.py")
    assert source_text("", "f", "mine.py") == "# mine.py has no f."
