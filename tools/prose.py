"""Count unclear turns of phrase in docstrings, comments, strings and pages.

``python -m tools.prose [PATH ...]`` prints each use with its file and line, and the rate of each kind of text per
10,000 words. Without a path it reads the whole project. ``tests/test_prose.py`` checks the rates against a limit.
"""

import ast
import io
import re
import sys
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

# Style: see CONTRIBUTING.md. Each turn has a plainer form.
TURNS = {
    "what as a noun clause": r"\bwhat\b(?![^.;:!]*\?)",
    "tell": r"\b(tells?|told|telling)\b",
    "so many": r"\bso (many|much|few|little)\b",
    "beside": r"\b(besides?|anew|apart)\b",
    "stand": r"\b(stands?|stood|standing)\b",
    "lie": r"\b(lies?|lay|lays|laid|lain|lying)\b",
    "whoever": r"\b(whoever|whatever|whichever)\b",
    "of which": r"\b(of which|of whom)\b",
    "shall": r"\b(shall|in vain|alike)\b",
    "come to": r"\b(comes?|came|coming) (to|of)\b",
    "differentiate by": r"\bdifferentiat(e|es|ed|ing|ion) by\b",
    "whole number": r"\bwhole numbers?\b",
    "go on": r"\b(goes|go|went|going) on\b",
}
_TURN = re.compile("|".join(f"(?P<t{k}>{pattern})" for k, pattern in enumerate(TURNS.values())), re.IGNORECASE)
_NAMES = list(TURNS)
_WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*")


class Passage(NamedTuple):
    """A text of one kind, with its file and first line."""

    kind: str
    path: Path
    line: int
    text: str


class Use(NamedTuple):
    """One use of a turn."""

    passage: Passage
    line: int
    turn: str
    context: str


def passages(root: Path = ROOT) -> Iterator[Passage]:
    """Yield each docstring, comment, string literal and page of the project."""
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.suffix not in (".py", ".md") or any(p.startswith(".") or p in _EXCLUDED for p in parts):
            continue
        yield from _of_page(path, parts) if path.suffix == ".md" else _of_module(path, parts[0])


_EXCLUDED = ("build", "runs", "node_modules", "prose.py", "test_prose.py")  # generated, or about the turns


def _of_page(path: Path, parts: tuple[str, ...]) -> Iterator[Passage]:
    kind = "lessons" if "lessons" in parts[:-1] else {"tinygrad_edu": "docs"}.get(parts[0], parts[0])
    text = re.sub(r"^ *```.*?^ *```", _blank, path.read_text(), flags=re.MULTILINE | re.DOTALL)
    yield Passage(f"pages: {kind}", path, 1, re.sub(r"`[^`\n]*`|\]\([^)]*\)", _blank, text))  # no code, no addresses


_PACKAGES = {"tinygrad_edu": "package", "_tinygrad_edu_plugins": "package", "conftest.py": "tests"}


def _of_module(path: Path, folder: str) -> Iterator[Passage]:
    folder = _PACKAGES.get(folder, folder)
    source = path.read_text()
    nodes = list(ast.walk(ast.parse(source)))
    documented = [n for n in nodes if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    docstrings = {id(n.body[0].value) for n in documented if n.body and isinstance(n.body[0], ast.Expr)}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            kind = "docstrings and comments" if id(node) in docstrings else "strings"
            yield Passage(f"{folder}: {kind}", path, node.lineno, _without_code(node.value))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Passage(f"{folder}: docstrings and comments", path, token.start[0], _without_code(token.string))


def _without_code(text: str) -> str:
    text = re.sub(r"^ *(>>>|\.\.\. ).*$", "", text, flags=re.MULTILINE)
    return re.sub(r"``[^`]*``|`[^`\n]*`", _blank, text)


def _blank(code: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", code.group())


def words(passage: Passage) -> int:
    """Return the number of words of a passage."""
    return len(_WORD.findall(passage.text))


def uses(passage: Passage) -> Iterator[Use]:
    """Yield each use of a turn in a passage."""
    for found in _TURN.finditer(passage.text):
        line = passage.line + passage.text.count("\n", 0, found.start())
        context = passage.text[max(0, found.start() - 40) : found.end() + 40]
        turn = next(name for k, name in enumerate(_NAMES) if found.group(f"t{k}") is not None)
        yield Use(passage, line, turn, " ".join(context.split()))


def main(paths: list[str]) -> None:
    """Print the uses in files or folders, by default in the whole project, and the rates."""
    within = [Path(path).resolve() for path in paths] or [ROOT]
    totals: dict[str, int] = defaultdict(int)
    counts: dict[str, int] = defaultdict(int)
    for passage in passages():
        if not any(passage.path.is_relative_to(path) for path in within):
            continue
        totals[passage.kind] += words(passage)
        for use in uses(passage):
            counts[passage.kind] += 1
            print(f"{passage.path.relative_to(ROOT)}:{use.line}: {use.turn}: {use.context}")
    for kind, total in sorted(totals.items()):
        print(f"{kind}: {counts[kind]} in {total} words: {1e4 * counts[kind] / max(total, 1):.1f} per 10,000")


if __name__ == "__main__":
    main(sys.argv[1:])
