"""Error messages end their sentences."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("tinygrad_edu", "_tinygrad_edu_plugins", "models", "tools", "benchmarks")
RAISED = re.compile(r"[A-Z]\w*(Error|Warning|Exit)")
REPORTED = {"complain", "error", "warn", "warn_caller"}
# Variables at the end of a message that end its last sentence, or are lines of a report.
ENDED = {"advice", "help", "hint", "last", "message"}
REPORTS = {"engine/debug/anomaly.py": "the location of a call", "training/train_step.py": "lines about a loss"}


def tails(message):
    """Yield the last constant or expression of each form of a message."""
    match message:
        case ast.JoinedStr(values=[*_, ast.Constant() | ast.FormattedValue() as end]):
            yield end.value
        case ast.BinOp(op=ast.Add(), right=end):
            yield from tails(end)
        case ast.IfExp(body=one, orelse=other):
            yield from tails(one)
            yield from tails(other)
        case ast.Constant(value=str() as text):
            yield text


def messages(tree):
    """Yield each message of an error or a warning in a module."""
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and call.args:
            name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            if RAISED.fullmatch(name) or name in REPORTED:
                yield call.args[name == "complain"]


def unended(tree):
    """Yield each message that does not end with a period, a question mark or a variable that does."""
    for message in messages(tree):
        for end in tails(message):
            known = isinstance(end, ast.Name) and end.id in ENDED
            if not known and not (isinstance(end, str) and end.rstrip().endswith((".", "?"))):
                yield ast.unparse(message)


FILES = {
    path.relative_to(ROOT).as_posix(): path
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*.py"))
    if not path.as_posix().endswith(tuple(REPORTS))
}


@pytest.mark.thorough
def test_every_message_ends_its_last_sentence():
    total, wrong = 0, {}
    for name, path in FILES.items():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        total += len(list(messages(tree)))
        if found := list(unended(tree)):
            wrong[name] = found
    assert total > 500
    assert not wrong
