"""Mutation testing: each mutant is wrong under its condition only, and the command reports the killed ones."""

import ast
import json

import numpy as np
import pytest

from tinygrad_edu.ops import registry
from tinygrad_edu.testing.mutate import ANYWHERE, mutant
from tinygrad_edu.testing.mutate import ops as hunt
from tinygrad_edu.testing.mutate.__main__ import main
from tinygrad_edu.testing.mutate.faults import CONDITIONS_ON_G, CONDITIONS_ON_X
from tinygrad_edu.testing.mutate.sources import Source, changes, vjps_in, wrapped
from tinygrad_edu.testing.mutate.suites import ChangedFile, Suite

# --- Wrappers ---

x = np.array([[0.05, -3.0, 1.0], [2.5, 0.7, -0.3]])
g = np.array([[1.0, -2.0, 0.5], [3.0, 1.5, -1.0]])
CALLS = {
    "plain": (g, x), "float32": (g.astype("f4"), x.astype("f4")), "empty": (g[:0], x[:0]), "0-d": (g[0, 0], x[0, 0]),
    "1-d": (g[0], x[0]), "3-d": (g[None], x[None]), "square": (g[:, :2], x[:, :2]),
    "many": (np.tile(g, 2), np.tile(x, 2)), "constant": (np.ones((2, 3)), x), "zeros": (g * (x > 0), x),
    "one-hot": (np.eye(1, 6, 2).reshape(2, 3), x), "large": (g * 1e3, x), "small": (g * 1e-4, x),
    "strided": (np.asfortranarray(g), x), "strided x": (g, np.asfortranarray(x)), "small x": (g, x / 100),
    "far x": (g, x + 10), "positive": (abs(g), abs(x)), "negative": (-abs(g), -abs(x)),
}  # fmt: skip


def vjp_of(g, x):
    return g * x


def differs(kind, name):
    """Whether a mutant changes the result of the second call."""
    broken = mutant(kind)(vjp_of)
    broken(*CALLS["positive"])
    try:
        return not np.array_equal(broken(*CALLS[name]), vjp_of(*CALLS[name]))
    except IndexError:
        return True


# For each mutant, a call whose result it changes, and a call whose result it does not change.
SHOWS = {
    "wrong where x is negative": ("negative", "positive"), "wrong where x is positive": ("positive", "negative"),
    "wrong where x is near zero": ("small x", "far x"), "wrong where |x| > 2": ("plain", "small x"),
    "wrong where x is largest": ("plain", "empty"), "wrong where x is above its mean": ("plain", "0-d"),
    "wrong in float32, by 0.3 %": ("float32", "plain"), "wrong in float32, by a factor of 2": ("float32", "plain"),
    "wrong for more than 8 elements": ("many", "plain"), "wrong for one element": ("0-d", "plain"),
    "raises for empty arrays": ("empty", "plain"), "wrong for no axes": ("0-d", "1-d"),
    "wrong for one axis": ("1-d", "plain"), "wrong for two axes": ("plain", "3-d"),
    "wrong for more than 2 axes": ("3-d", "plain"), "wrong for axes of one length": ("square", "plain"),
    "wrong for axes of length 1": ("3-d", "plain"), "wrong for a constant g": ("constant", "plain"),
    "wrong for a g that is not constant": ("plain", "constant"), "wrong for a one-hot g": ("one-hot", "zeros"),
    "wrong for a g with zeros": ("zeros", "plain"), "wrong where |g| > 100": ("large", "plain"),
    "wrong where |g| < 0.01": ("small", "positive"), "wrong where g is negative": ("plain", "positive"),
    "wrong for a g that is not contiguous": ("strided", "plain"),
    "wrong for an x that is not contiguous": ("strided x", "strided"),
}  # fmt: skip


def test_a_conditional_mutant_shows_under_its_condition_alone():
    found = {kind: (differs(kind, shows), differs(kind, hides)) for kind, (shows, hides) in SHOWS.items()}
    assert found == dict.fromkeys({**CONDITIONS_ON_X, **CONDITIONS_ON_G}, (True, False))


def test_the_others_show_in_every_call():
    always = ANYWHERE.keys() - SHOWS.keys()
    assert {kind for kind in always for name in CALLS if name != "empty" and not differs(kind, name)} == set()


class Context:
    """A vjp like PyTorch's, with the saved tensors as an attribute of the first argument."""

    saved_tensors = (x,)


@pytest.mark.parametrize(
    ("vjp", "given"),
    [
        (lambda g, x: (g * x, None), (g, x)),
        (lambda ctx, grad_output: (grad_output * ctx.saved_tensors[0], None), (Context, g)),
        (lambda res, g: (g * res[0], None), ((x, 2.0), g)),
        (lambda x, g: (g * x, None), (x, g)),
    ],
    ids=["autograd", "torch", "jax", "cotangent last"],
)
def test_the_vjps_of_every_framework_are_broken_alike(vjp, given):
    first, rest = mutant("wrong where x is negative")(vjp)(*given)
    assert rest is None
    np.testing.assert_allclose(first, g * x * np.where(x < 0, 1.01, 1))
    assert np.array_equal(mutant("wrong where |g| > 100")(vjp)(*given)[0], g * x)


# --- Source changes ---

RULES = """
class Square(Function):
    @staticmethod
    def backward(ctx, grad):  # näher
        x, = ctx.saved_tensors
        return grad * 2 * x

def cube_vjp(g, x):
    return -g if x > 0 else g * f(x)

def helper(g, x):
    assert x, f"{g + 1} für {x * 2}"
    return g

defvjp(helper, lambda ans, x: lambda g: g / x)
scale.defvjp(helper, helper)
"""


@pytest.fixture
def vjps(tmp_path):
    path = tmp_path / "vjps.py"
    path.write_text(RULES, "utf-8")
    return Source(path)


def test_what_looks_like_a_vjp_of_some_framework_is_found(vjps):
    assert list(vjps_in(vjps)) == ["Square.backward", "cube_vjp", "helper.1", "helper"]
    assert list(vjps_in(vjps, ["helper"])) == ["helper"]


def test_each_change_of_a_source_changes_one_place(vjps):
    found = [vjps.edited(change.edits) for f in vjps_in(vjps).values() for change in changes(vjps, f)]
    once = ["return (grad * 2)", "return (grad * 2 / x)", "return grad * 3 * x", "return x * 2 * x", "return g if x",
            "return -g if (x < 0)", "g * x\n", "lambda g: g)\n"]  # fmt: skip
    for text in once:
        assert sum(text in other for other in found) == 1, text
    for text in found:
        ast.parse(text)
        assert "# näher" in text
        assert sum(a != b for a, b in zip(text.splitlines(), RULES.splitlines(), strict=True)) == 1


def test_a_wrapper_is_a_line_of_the_source(vjps):
    found = vjps_in(vjps)
    assert '+    @mutant("zero")\n     def backward' in vjps.diff(wrapped(vjps, found["Square.backward"], "zero"))
    assert '+defvjp(helper, lambda ans, x: mutant("zero")(lambda g: g / x))' in vjps.diff(
        wrapped(vjps, found["helper.1"], "zero")
    )


# --- The command ---

OPS = """
import numpy as np
from tinygrad_edu import op

@op
def cube(x):
    return x**3

cube.vjps(x=lambda g, x: 3 * g * x * x)

@op
def unfinished(x):
    return np.sqrt(x)

unfinished.vjps(x=lambda g, out: g / out)

def cube_grad(x):
    return 3 * x * x
"""


@pytest.fixture
def ops(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "my_ops.py"
    path.write_text(OPS)
    return path


@pytest.fixture
def few_examples(monkeypatch):
    """Reduce the examples of the checks of a mutant, in this process."""
    monkeypatch.setattr(hunt, "EXAMPLES", 20)


@pytest.mark.thorough
def test_the_checks_judge_the_mutants_of_ops(ops, capsys):
    assert main(["my_ops.py:cube", "-k", "sign|no axes|source: 4 for 3", "--jobs", "2"]) == 0
    assert capsys.readouterr().out == ("cube.x: 3 GradientMismatch\nscore 100.0 %: 3 of 3 mutants killed\n")


@pytest.mark.thorough
def test_survivors_are_shown_and_counted(ops, capsys, monkeypatch):
    monkeypatch.setattr("tinygrad_edu.testing.mutate.ops.check_op", lambda call: None)
    monkeypatch.setattr("tinygrad_edu.testing.mutate.ops.check_vjp", lambda call, x, order: None)
    arguments = ["my_ops.py:cube", "-k", ": zero$|source: 4 for 3"]
    assert main(arguments) == 1
    out = capsys.readouterr().out
    assert 'SURVIVED cube.x: zero\nfrom tinygrad_edu.testing.mutate import mutant\ncube.vjps(x=mutant("zero")(' in out
    assert "-cube.vjps(x=lambda g, x: 3 * g * x * x)\n+cube.vjps(x=lambda g, x: 4 * g * x * x)\n" in out
    assert "score 0.0 %: 0 of 2 mutants killed" in out
    assert main([*arguments, "--fail-under", "0"]) == 0


@pytest.mark.thorough
@pytest.mark.usefixtures("few_examples")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["my_ops.py"], "The checks must pass for the unchanged op unfinished"),
        (["my_ops.py:nothing"], "my_ops.py has no op with a vjp; for vjps that are plain functions, use --tests."),
        (["my_ops.py:nothing", "--tests", "x"], "select one, as in my_ops.py:softplus_grad."),
        (["none.py"], "none.py"),
        (["my_ops.py:cube", "-k", "("], "unterminated subpattern"),
        (["my_ops.py:cube", "-k", "factor 2", "--json", "missing/mutants.json"], "report to missing/mutants.json"),
    ],
)
def test_what_cannot_be_judged_is_said(ops, capsys, arguments, said):
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


@pytest.mark.thorough
def test_a_report_names_the_law_that_kills_a_mutant(ops):
    arguments = ["my_ops.py:cube", "-k", "factor 2|g mutated|: zero$", "--json", "mutants.json"]
    assert main(arguments) == 0
    report = json.loads((ops.parent / "mutants.json").read_text("utf-8"))
    killed = {m["kind"]: (m["error"], m["by"]) for m in report["mutants"]}
    assert killed["factor 2"] == killed["zero"] == ("GradientMismatch", "slope")
    assert killed["g mutated"][1]
    assert report["counts"] == {"survived": 0, "condition never met": 0, "killed": 3}


@pytest.mark.thorough
def test_more_examples_meet_a_condition_that_the_first_ones_did_not(monkeypatch):
    monkeypatch.setattr(hunt, "EXAMPLES", 3)
    kinds = ("raises for empty arrays", "wrong for no axes", "wrong for axes of one length")
    found = {m.kind: hunt.fate_of(m).status for m in hunt.mutants(registry["sinh"]) if m.kind in kinds}
    assert found == dict.fromkeys(found, "killed")
    assert len(found) == 3
    never_0d = next(m for m in hunt.mutants(registry["window_max"]) if m.kind == "wrong for no axes")
    assert hunt.fate_of(never_0d).status == "condition never met"


def test_a_vjp_that_saves_a_dtype_is_broken_like_any_other():
    broken = mutant("wrong where x is negative")(lambda g, dtype, x: g * x)
    np.testing.assert_allclose(broken(g, np.dtype(float), x), g * x * np.where(x < 0, 1.01, 1))
    assert np.array_equal(mutant("stale saved value")(lambda g, dtype, x: g * x)(g, np.dtype(float), x), g * x)


THEIRS = """
import my_ops

def test_cube():
    assert my_ops.cube_grad(2.0) == 12.0
"""


@pytest.mark.thorough
def test_their_tests_judge_the_mutants_of_any_function(ops, capsys):
    (ops.parent / "test_theirs.py").write_text(THEIRS)
    before = {path: path.read_bytes() for path in ops.parent.iterdir()}
    written = ["--json", "runs/mutants.json"]
    (ops.parent / "runs").mkdir()
    only = "factor 2|constant g|one axis|source: 4 for 3"
    arguments = ["my_ops.py:cube_grad", "--tests", "test_theirs.py"]
    assert main([*arguments, "-k", only, "--jobs", "2", *written]) == 1
    out = capsys.readouterr().out
    assert '+@mutant("wrong for a constant g")\n def cube_grad(x):' in out
    assert "condition never met: cube_grad: wrong for one axis\n" in out
    assert "cube_grad: 2 failed test, 1 condition never met, 1 survived\n" in out
    assert "score 66.7 %: 2 of 3 mutants killed; 50.0 % of all 4: the condition of 1 was never met\n" in out
    report = json.loads((ops.parent / "runs" / "mutants.json").read_text("utf-8"))
    assert [report[key] for key in ("file", "score", "score_of_all")] == ["my_ops.py", 200 / 3, 50]
    assert report["counts"] == {"survived": 1, "condition never met": 1, "killed": 2}
    assert [m["status"] for m in report["mutants"]] == ["survived", "condition never met", "killed", "killed"]
    assert [bool(m["code"]) for m in report["mutants"]] == [True, True, False, False]
    assert report["mutants"][-1]["by"] == "test_theirs.py::test_cube"
    assert all(m["seconds"] > 0 for m in report["mutants"])
    assert {path: path.read_bytes() for path in before} == before

    (ops.parent / "test_theirs.py").write_text("def test_it():\n    assert False\n")
    assert main(arguments) == 2
    assert "The tests must pass for the unchanged file" in capsys.readouterr().err


def test_a_mutant_that_does_not_end_is_killed(ops):
    source = Source(ops)
    change = wrapped(source, vjps_in(source)["cube_grad"], "zero")
    assert Suite([], timeout=0.01).fate(ChangedFile(source, "cube_grad", change)).error == "timeout"
