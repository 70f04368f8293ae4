"""Build the engine yourself: copy the lessons, check your code, show hints, solutions and your progress."""

import argparse
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

from tinygrad_edu.errors import LessonError, MissingExtraError
from tinygrad_edu.lessons.comparison import side_by_side, table
from tinygrad_edu.lessons.complaints import subjects_of
from tinygrad_edu.lessons.folder import Folder
from tinygrad_edu.lessons.judge import Code
from tinygrad_edu.lessons.ladder import AS_FOR_PUZZLES, PUZZLES
from tinygrad_edu.lessons.lesson import FINALE, LESSONS, Lesson
from tinygrad_edu.lessons.time_limit import judged_in_time as judged
from tinygrad_edu.shared.display.command_line import Parser

COMMAND = "python -m tinygrad_edu.lessons"
THE_END = "All lessons have passed, from finite differences to a network that reads digits. The engine is yours."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code: 0, 1 if a check fails, 2 on an error, 130 on Ctrl-C."""
    given = _parsed(arguments)
    try:
        code: int = given.run(given)
    except (LessonError, MissingExtraError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130
    return code


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(COMMAND, description=__doc__)
    parser.set_defaults(call=lambda *words: " ".join([COMMAND, *words]))
    parser.add_argument("--folder", type=Path, default=Path(), help="folder of your engine (default: current folder)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="copy the lessons into a new folder")
    start.add_argument("into", type=Path, metavar="FOLDER")
    start.set_defaults(run=_start)
    commands.add_parser("status", help="show your progress in each lesson").set_defaults(run=_status)
    check = commands.add_parser("check", help="check your code of a lesson")
    check.add_argument("lesson", metavar="N", help=f"1 to {len(LESSONS)}, or {FINALE.name} for the finale")
    check.set_defaults(run=_check)
    puzzles = commands.add_parser("puzzles", aliases=["puzzle"], help="check your vjps of all puzzles, or of one")
    puzzles.add_argument("hole", nargs="?", metavar="PUZZLE", help=f"name of a puzzle, or 1 to {len(PUZZLES.pieces)}")
    puzzles.set_defaults(run=_puzzles)
    for run, what in (
        (_hint, "show the next hint on the hole where the last check failed, or on HOLE"),
        (_solution, "show the solution of a lesson, or of HOLE only"),
    ):
        command = commands.add_parser(run.__name__[1:], help=what)
        command.add_argument("lesson", metavar="N", help=f"1 to {len(LESSONS)}, {FINALE.name} or {PUZZLES.name}")
        command.add_argument("hole", nargs="?", metavar="HOLE")
        command.set_defaults(run=run)
    compare = commands.add_parser("compare", help="show your code of a lesson beside the core of tinygrad_edu")
    compare.add_argument("lesson", metavar="N", help=f"1 to {len(LESSONS)}, or {FINALE.name} for all lessons")
    compare.set_defaults(run=_compare)
    return parser.parse_args(arguments)


def _start(given: argparse.Namespace) -> int:
    _, copied = Folder.start(given.into)
    lessons = [lesson for lesson in LESSONS if lesson.name in copied]
    kept = len(LESSONS) - len(lessons)
    print(f"Copied {len(lessons)} lessons to {given.into}{f'; kept {kept} that were there' * bool(kept)}.")
    print(f"Read {LESSONS[0].name}.md there, fill the holes in {LESSONS[0].name}.py, and run:")
    print(f"    cd {given.into}\n    {COMMAND} check 1")
    print(f"There are also {len(PUZZLES.pieces)} vjp puzzles, in {PUZZLES.name}.py: {COMMAND} puzzles")
    return 0


def _status(given: argparse.Namespace) -> int:
    folder = Folder(given.folder)
    lines = {f"{lesson.word:>2}  {lesson.title}": lesson for lesson in LESSONS}
    lines |= {f"    {lesson.title}": lesson for lesson in (FINALE, PUZZLES)}
    width = max(map(len, lines))
    for line, lesson in lines.items():
        print(f"{line:<{width}}  {folder.state(lesson)}")
    left = [lesson for lesson in (*LESSONS, FINALE) if not folder.has_passed(lesson)]
    print(f"\nContinue with {left[0].name}.md." if left else f"\n{THE_END}")
    return 0


def _check(given: argparse.Namespace) -> int:
    lesson, folder = lesson_of(given.lesson), Folder(given.folder)
    if lesson is PUZZLES:
        raise LessonError(f"`check` does not accept puzzles: use `{COMMAND} puzzles`.")
    sources, stand_ins = folder.sources(lesson)
    print(lesson.title if lesson is FINALE else f"Lesson {lesson.word}: {lesson.title}")
    if stand_ins:
        names = ", ".join(each.word for each in stand_ins)
        print(f"(with the solutions of {names}, which your code has not passed yet)")
    passed, complaint, holes, subjects = _judged(lesson, sources)
    folder.note(lesson, passed, holes[0] if holes else None, subjects)
    total = len(lesson.cases)
    if not complaint:
        if lesson is FINALE:
            call = given.call("compare", lesson.word)
            print(f"\nThese definitions of the core are yours:\n\n{table()}\n\nTo see both: {call}")
        print(f"\nAll {total} cases pass. {_what_next(lesson, folder)}")
        return 0
    print(f"\n{textwrap.indent(complaint, '    ')}\n")
    hints = [given.call("hint", lesson.word, *([hole] if k else [])) for k, hole in enumerate(holes)]
    print(f"{passed} of {total} cases pass.", *(f"A hint on {holes[0]}: {command}" for command in hints[:1]))
    for hole, command in zip(holes[1:], hints[1:], strict=True):
        print(f"The case is about {hole}: {command}")
    return 1


def _judged(lesson: Lesson, sources: Mapping[str, Code]) -> tuple[int, str, list[str], list[str]]:
    """Print each outcome; return the number of cases passed, and the complaint about a failure, its holes and subjects.

    The holes are that of the line that failed and, if it is another one, that of the case.
    """
    passed, about = 0, {case.title: case.hole for case in lesson.cases}
    for title, hole, complaint in judged(lesson, sources):
        print(f"  {'WRONG' if complaint else 'ok   '}  {title}", flush=True)
        if complaint:
            holes = list(dict.fromkeys(filter(None, (hole, about.get(title)))))
            return passed, complaint, holes, subjects_of(f"{title}\n{complaint}")
        passed += 1
    return passed, "", [], []


def _what_next(lesson: Lesson, folder: Folder) -> str:
    if lesson is not FINALE:
        return f"Continue with {(*LESSONS, FINALE)[LESSONS.index(lesson) + 1].name}.md."
    left = ", ".join(each.word for each in LESSONS if not folder.has_passed(each))
    return f"Not passed yet, replaced by solutions: {left}." if left else THE_END


def _puzzles(given: argparse.Namespace) -> int:
    """Check each puzzle that a student has filled, and print which comes next."""
    folder, one = Folder(given.folder), _hole(PUZZLES, given.hole)
    code = folder.code(PUZZLES)
    still_open = PUZZLES.open_in(code.text)
    asked = [name for name in ([one] if one else PUZZLES.pieces) if name not in still_open]
    sources, complaints = {PUZZLES.name: Code(code.file, PUZZLES.without_open(code.text))}, {}
    for title, name, complaint in judged(PUZZLES, sources, AS_FOR_PUZZLES, asked) if asked else ():
        print(f"  {'WRONG' if complaint else 'ok   '}  {title}", flush=True)
        complaints[name] = complaint
    wrong = [name for name in complaints if complaints[name]]
    if wrong:
        print(f"\n{textwrap.indent(complaints[wrong[0]], '    ')}")
    passed = {name: name not in wrong for name in complaints if name} | dict.fromkeys(still_open, False)
    left = [*filter(None, wrong), *([one] if one in still_open else still_open)]
    subjects = {name: subjects_of(complaints[name]) for name in wrong if name}
    right, at = folder.note_each(PUZZLES, passed, left, subjects)
    hint = "" if None in wrong else f" {_where_to_go_on(at, still_open)}"  # None: an error outside of the holes
    print(f"\n{right} of {len(PUZZLES.pieces)} are correct.{hint}")
    return int(bool(wrong) or one in still_open)


def _where_to_go_on(at: str | None, still_open: Mapping[str, int]) -> str:
    if at is None:
        return "All puzzles are solved."
    if at in still_open:
        return f"Continue with {at}, in line {still_open[at]} of {PUZZLES.name}.py."
    return f"A hint on {at}: {COMMAND} hint puzzles {at}"


def lesson_of(word: str) -> Lesson:
    """Return the lesson with a number or name, as on the command line."""
    for lesson in (*LESSONS, FINALE, PUZZLES):
        if lesson.word == word.lstrip("0"):
            return lesson
    raise LessonError(f"lesson must be 1 to {len(LESSONS)}, {FINALE.name} or {PUZZLES.name}, got {word}.")


def _hint(given: argparse.Namespace) -> int:
    lesson, folder = lesson_of(given.lesson), Folder(given.folder)
    hole, position, hints = folder.next_hint(lesson, _hole(lesson, given.hole))
    print(f"On {hole}, hint {position + 1} of {len(hints)}:\n")
    print(textwrap.indent(textwrap.fill(hints[position], 92), "    "))
    if position + 1 == len(hints):
        print(f"\nThis is the last hint. To see the solution: {given.call('solution', lesson.word, hole)}")
    return 0


def _solution(given: argparse.Namespace) -> int:
    lesson = lesson_of(given.lesson)
    hole = _hole(lesson, given.hole)
    print(textwrap.dedent(lesson.pieces[hole]) if hole else lesson.solution, end="")
    return 0


def _compare(given: argparse.Namespace) -> int:
    print(side_by_side(lesson_of(given.lesson), Folder(given.folder), shutil.get_terminal_size().columns))
    return 0


def _hole(lesson: Lesson, name: str | None) -> str | None:
    """Return the hole with this name or number; None for None."""
    if name is None or name in lesson.pieces:
        return name
    if name.isdecimal() and 1 <= int(name) <= len(lesson.pieces):
        return list(lesson.pieces)[int(name) - 1]
    raise LessonError(f"{lesson.name} has no hole {name}; its holes are {', '.join(lesson.pieces)}.")


if __name__ == "__main__":
    sys.exit(main())
