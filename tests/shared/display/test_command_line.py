"""The commands reject abbreviations, and suggest the closest option or choice."""

import re
from pathlib import Path

import pytest

from tinygrad_edu.shared.display.command_line import Parser, sentence

ROOT = Path(__file__).parents[3]


def parser():
    made = Parser("program")
    made.add_argument("--epochs", type=int)
    made.add_argument("--recipe", choices=["augmented", "tuned"])
    made.add_argument("images", nargs="*")
    return made


def nested():
    made = Parser("program")
    commands = made.add_subparsers()
    commands.add_parser("check").add_argument("--hint")
    commands.add_parser("start").add_argument("--folder")
    return made


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (parser, ["--epoch", "3"], "unrecognized arguments: --epoch; did you mean --epochs?"),
        (parser, ["--epoch=3"], "unrecognized arguments: --epoch=3; did you mean --epochs?"),
        (parser, ["--EPOCHS=3"], "unrecognized arguments: --EPOCHS=3; did you mean --epochs?"),
        (parser, ["--lr=1"], "unrecognized arguments: --lr=1."),
        (parser, ["--epochs", "x"], "argument --epochs: invalid int value: 'x'."),
        (parser, ["--recipe", "agmented"], "argument --recipe: invalid choice: 'agmented' (choose from augmented, "
            "tuned); did you mean augmented?"),
        (parser, ["--recipe", "zzz"], "argument --recipe: invalid choice: 'zzz' (choose from augmented, tuned)."),
        (nested, ["chek"], "invalid choice: 'chek' (choose from check, start); did you mean check?"),
        (nested, ["start", "--floder=a"], "unrecognized arguments: --floder=a; did you mean --folder?"),
    ],
)  # fmt: skip
def test_a_mistyped_option_is_an_error_that_suggests_the_right_one(make, arguments, message, capsys):
    for parse in (make().parse_args, make().parse_intermixed_args)[: 1 + (make is parser)]:
        with pytest.raises(SystemExit, match="2"):
            parse(arguments)
        assert capsys.readouterr().err.endswith(f"{message}\n")


def test_right_options_are_read():
    assert parser().parse_args(["--epochs", "3", "a"]).epochs == 3
    assert parser().parse_intermixed_args(["a", "--recipe", "tuned", "b"]).images == ["a", "b"]


@pytest.mark.parametrize(("text", "ended"), [("a", "a."), ("a.", "a."), ("a?", "a?")])
def test_a_sentence_ends_once(text, ended):
    assert sentence(text) == ended


def test_every_command_uses_this_parser():
    sources = [
        path for name in ("tinygrad_edu", "models", "tools", "benchmarks") for path in (ROOT / name).rglob("*.py")
    ]
    plain = {
        path.name for path in sources if re.search(r"argparse\.ArgumentParser\(", path.read_text(encoding="utf-8"))
    }
    assert not plain - {"command_line.py"}
