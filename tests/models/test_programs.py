"""The list of programs: every runnable program is in it with its own line, and has --help."""

import ast
from pathlib import Path

import pytest

from models import __main__ as listing

PROJECT = Path(__file__).parents[2]


def test_each_program_is_listed_with_a_line(capsys):
    listing.main([])
    *lines, last = capsys.readouterr().out.splitlines()
    names = ["char_gpt", "char_lstm", "diffusion", "mnist_by_hand", "mnist_conv", "mnist_lenet", "mnist_vae", "pinn"]
    names += ["predict", "resnet_digits", "seven_findings", "siamese", "spirals", "sweep", "vit"]
    assert [line.split()[2] for line in lines] == [f"models.{name}" for name in names]
    for line in lines:
        source = (PROJECT / line.split()[2].replace(".", "/")).with_suffix(".py").read_text()
        assert line.endswith(ast.get_docstring(ast.parse(source)).splitlines()[0])
    assert "--resume" in last


def test_a_program_that_there_is_not_is_one_line(capsys):
    with pytest.raises(SystemExit, match="2"):
        listing.main(["mnist_conv"])
    assert capsys.readouterr().err == "models: unrecognized arguments: mnist_conv.\n"
