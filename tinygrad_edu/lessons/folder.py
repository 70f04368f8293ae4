"""The student's folder: exercises and progress."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from tinygrad_edu.errors import LessonError
from tinygrad_edu.lessons.judge import Code, solved
from tinygrad_edu.lessons.ladder import PUZZLES
from tinygrad_edu.lessons.lesson import FINALE, LESSONS, Lesson
from tinygrad_edu.shared.files import write_whole

PROGRESS = "progress.json"


class Folder:
    """Folder of a student's engine: the page and the code of each lesson, and one file with the progress.

    Parameters
    ----------
    path : Path

    Raises
    ------
    LessonError
        If the progress file is missing or unreadable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._all: dict[str, Any] = json.loads((path / PROGRESS).read_text("utf-8"))
        except FileNotFoundError:
            raise LessonError(
                f"{path.resolve()} contains no lessons: change to the folder you started, or create one with "
                f"`python -m tinygrad_edu.lessons start my_engine`."
            ) from None
        except (ValueError, OSError) as error:
            raise LessonError(
                f"{path / PROGRESS} cannot be read ({error}): delete it and run `start` again."
            ) from error

    @classmethod
    def start(cls, path: Path) -> tuple[Folder, list[str]]:
        """Copy the lessons into a folder; return it and the names of the copied lessons. Keep existing code."""
        path.mkdir(parents=True, exist_ok=True)
        copied = []
        for lesson in (*LESSONS, FINALE, PUZZLES):
            code, page = path / f"{lesson.name}.py", path / f"{lesson.name}.md"
            if not code.exists():
                code.write_text(lesson.exercise, "utf-8")
                copied.append(lesson.name)
            page.write_text(lesson.page, "utf-8")
            for picture in lesson.pictures:
                shutil.copyfile(picture, path / picture.name)
        if not (path / PROGRESS).exists():
            write_whole(path / PROGRESS, b"{}")
        return cls(path), copied

    def code(self, lesson: Lesson) -> Code:
        """Return the student's code of a lesson."""
        file = self.path / f"{lesson.name}.py"
        try:
            return Code(str(file), file.read_text("utf-8"))
        except FileNotFoundError:
            raise LessonError(f"{file} does not exist: run `start` to copy it again.") from None
        except ValueError as error:
            raise LessonError(f"{file} must be a text file in UTF-8: {error}.") from None

    def save(self, lesson: Lesson, text: str) -> None:
        """Replace the student's code of a lesson."""
        write_whole(self.path / f"{lesson.name}.py", text.encode())

    def sources(self, lesson: Lesson) -> tuple[dict[str, Code], list[Lesson]]:
        """Return the code of a lesson and of all before it, and the imported lessons that solutions replace."""
        stand_ins = [each for each in lesson.before if not self.has_passed(each)]
        sources = {each.name: solved(each) if each in stand_ins else self.code(each) for each in lesson.before}
        return {**sources, lesson.name: self.code(lesson)}, [each for each in stand_ins if each in lesson.builds_on]

    def has_passed(self, lesson: Lesson) -> bool:
        """Return whether the present code has passed all cases."""
        try:
            return self._of(lesson).get("passed") == _digest(self.code(lesson))
        except LessonError:
            return False

    def state(self, lesson: Lesson) -> str:
        """Describe the progress of a lesson in words."""
        known, code = self._of(lesson), self.code(lesson)
        if self.has_passed(lesson):
            return "passed"
        if code.text == lesson.exercise:
            return "not started"
        if "passed" in known:
            return "changed since it passed: check it again"
        return f"{known.get('cases', 0)} of {len(lesson.cases)} cases"

    def note(self, lesson: Lesson, cases: int, hole: str | None, subjects: Collection[str] = ()) -> None:
        """Record the number of cases that passed, the hole of the first failure, and the inputs and ops that it names.

        The hole is None if the failure is outside of the holes.
        """
        known = self._of(lesson) | {"cases": cases, "hole": hole, "subjects": [*subjects]}
        known.pop("passed", None)
        if cases == len(lesson.cases):
            known["passed"] = _digest(self.code(lesson))
        self._keep(lesson, known)

    def note_each(
        self, lesson: Lesson, passed: Mapping[str, bool], left: Sequence[str], subjects: Mapping[str, Collection[str]]
    ) -> tuple[int, str | None]:
        """Record which holes passed, where each hole has its own case, and the subjects of each failure.

        Return how many of all holes have passed, and the next hole, from `left` if possible; None if all have passed.
        """
        before = self._of(lesson).get("right", [])
        right = [hole for hole in lesson.pieces if passed.get(hole, hole in before)]
        at = next((hole for hole in (*left, *lesson.pieces) if hole not in right), None)
        self._keep(lesson, self._of(lesson) | {"right": right})
        self.note(lesson, len(right), at, subjects.get(at or "", ()))
        return len(right), at

    def next_hint(self, lesson: Lesson, hole: str | None = None) -> tuple[str, int, list[str]]:
        """Return a hole, by default that of the last failure, the position of its next hint, and the hints on it."""
        known = self._of(lesson)
        if hole is None and "passed" in known:
            raise LessonError(
                f"The last check of {lesson.name} passed, so it has no hint. To see the hints on a hole, name it: "
                f"{', '.join(lesson.pieces)}."
            )
        if hole is None and known.get("hole", "") is None:
            raise LessonError(
                f"The last check of {lesson.name} failed outside of the holes, so it has no hint. Correct the line it "
                f"showed, or name a hole: {', '.join(lesson.pieces)}."
            )
        hole = hole or known.get("hole") or next(iter(lesson.pieces))
        hints = lesson.hints_on(hole, known.get("subjects", ()) if hole == known.get("hole") else ())
        given = known.get("given", {}).get(hole, [])
        position = next((k for k, hint in enumerate(hints) if hint not in given), len(hints) - 1)
        self._keep(lesson, known | {"given": known.get("given", {}) | {hole: [*given, hints[position]]}})
        return hole, position, hints

    def _of(self, lesson: Lesson) -> dict[str, Any]:
        return dict(self._all.get(lesson.name, {}))

    def _keep(self, lesson: Lesson, known: dict[str, Any]) -> None:
        self._all[lesson.name] = known
        write_whole(self.path / PROGRESS, json.dumps(self._all, indent=1).encode())


def _digest(source: Code) -> str:
    return sha256(source.text.encode()).hexdigest()
