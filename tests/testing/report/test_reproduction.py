"""The code that a failure prints reproduces the failure in a new process."""

import collections
import dataclasses
import enum
import functools
import json
import linecache
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.effort import thorough
from tests.testing.test_tensor_checks import LAWLESS, WRONG, broken
from tinygrad_edu import nn
from tinygrad_edu.errors import TinygradError
from tinygrad_edu.testing import (
    Call,
    check_gradient,
    check_jvp,
    check_linear,
    check_module,
    check_op,
    check_vjp,
)
from tinygrad_edu.testing.report.reproduction import reproducible, reproduction_lines
from tinygrad_edu.testing.strategies import Program, calls

X = np.random.default_rng(5).uniform(0.5, 2.0, (3, 4))
FAILURES = {}


def failure(name, check, *args, **kwargs):
    """Add a failing check to the table."""
    assert name not in FAILURES
    FAILURES[name] = functools.partial(check, *args, **kwargs)


# --- Every check, for ops that are wrong or violate a law ---

for kind, (op, inputs, options, _) in WRONG.items():
    call = Call(op, inputs, **options)
    failure(f"check_vjp of a Call: {kind}", check_vjp, call, *call.arrays, order=1)
    failure(f"check_jvp: {kind}", check_jvp, call, *call.arrays)
    if not options:
        failure(f"check_vjp of an op: {kind}", check_vjp, op, *inputs)
for kind, (op, inputs, _) in LAWLESS.items():
    failure(f"check_op: {kind}", check_op, op, *inputs)
    failure(f"check_op of a Call: {kind}", check_op, Call(op, [np.asfortranarray(x) for x in inputs]))

# --- Every kind of array ---


@tg.op
def thirds(x):
    """Divide by three, with a vjp that divides by two."""
    return x / 3


thirds.vjps(x=lambda g: g / 2)

# The code for an array alone is tested with `code_repr`.
ARRAYS = {"a list": [1.0, 2.0], "a part": X[1:, ::2], "large": np.linspace(0, 1, 3000), "a Tensor": tg.Tensor(X)}
for kind, x in ARRAYS.items():
    failure(f"an array: {kind}", check_vjp, thirds, x)
failure("an array and a label", check_op, Call("getitem", [X], index=(np.array([0, 0]), slice(None), None)),
        reference=lambda x, index: x[index] + 1)  # fmt: skip

failure("an op by its name", check_vjp, Call("thirds", [X]), X)


def test_the_name_of_an_op_of_no_module_is_refused():
    with pytest.raises(LookupError, match=r"no imported module has an op named 'sixths'; pass the op .*: Call\(sixths"):
        Call("sixths", [X])


# --- Every kind of function ---


def a_factor(factor):
    """Return a closure, and its gradient with a wrong factor."""
    return lambda x: np.sum(factor * x), lambda x, other=factor + 1: np.full(x.shape, other)


def times(factor):
    def with_another(x):
        return np.full(x.shape, factor)

    return with_another


def counts_down(n, x):
    return x if n == 0 else counts_down(n - 1, x) * 2.0


def counts_down_thirds(x):
    return counts_down(2, thirds(x))


class Scale:
    """A callable that scales its input, with a gradient that does not."""

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, x):
        return np.sum(self.factor * x)

    def of(self, x):
        return self.factor * thirds(x)


def local_things():
    class Local(nn.Module):
        def __init__(self):
            self.scale = tg.Tensor(np.full(4, 0.1, np.float32), requires_grad=True)

        def forward(self, x):
            return thirds(x * self.scale)

    @functools.wraps(np.sum)
    def total(*args, **kwargs):
        return np.sum(*args, **kwargs) * factor

    factor = 3
    return Local, total


class Importable(nn.Module):
    def __init__(self):
        self.scale = tg.Tensor(np.full(4, 0.1, np.float32), requires_grad=True)

    def forward(self, x):
        return thirds(x * self.scale)


class Mixing(nn.Module):
    def forward(self, x):
        return x - tg.mean(x, axis=0, keepdims=True)


def random_rate(x):
    return np.random.default_rng().random() * x


LOCAL, TOTAL = local_things()
FUNCTIONS = {
    "a lambda": lambda x: thirds(x), "the second of two": (lambda x: x, lambda x: thirds(x) * 2.0)[1],
    "in two lines": lambda x: (thirds(x) +
                               thirds(x)), "a partial": functools.partial(lambda k, x: thirds(x) * k, 3.0),
    "a method": Scale(2.5).of, "a recursion": lambda x: counts_down(2, thirds(x)), "by name": counts_down_thirds,
    "with a default": next(lambda x, k=k: thirds(x) * k for k in (2.0, 3.0)), "a module": nn.Lambda(thirds),
}  # fmt: skip
for kind, f in FUNCTIONS.items():
    failure(f"a function: {kind}", check_vjp, f, X)
failure("a program", check_linear, Program([X], "def f(x0):\n    v = x0[::-1]\n    return v * v"), X)
failure("a gradient with closures", check_gradient, *a_factor(2.0), X)
failure("closures of one name", check_gradient, a_factor(2.0)[0], times(3.0), X)
failure("an object that is called", check_gradient, Scale(2.0), np.ones_like, X)
failure("a function that is wrapped", check_gradient, TOTAL, np.ones_like, X)
failure("a function of NumPy", check_gradient, np.sin, lambda x, g: g * np.sin(x), X)
failure("not deterministic", check_gradient, random_rate, lambda x, g: g, X)
failure("not linear", check_linear, lambda x, y: x * y, X, X)
failure("a kink", check_vjp, tg.relu, np.zeros(2))
failure("a shape", check_vjp, broken("sum", x=lambda g: g * 1.0), X)
failure("a dtype", check_vjp, tg.exp, np.array([True]))

# --- Modules, generators and other options ---

failure("a module", check_module, Importable(), X)
failure("a local module", check_module, LOCAL(), X)
failure("modules in modules", check_module, nn.Sequential(nn.Dropout(0.5, rng=np.random.default_rng(1)), LOCAL()), X)
failure("a law of modules", check_module, Mixing(), X, samples="independent")
failure("a new generator", check_vjp, thirds, X, rng=np.random.default_rng(12))
failure("a reference", check_op, tg.sin, X, reference=np.cos)
failure("a reference of several", check_op, tg.multiply, X, X[0], reference=lambda x, y: x * y * X[0, 0])
failure("a setting", check_op, tg.sum, X, axis=(0, -1), keepdims=True, reference=np.mean)
failure("an accuracy", check_vjp, thirds, X, accuracy=1e-9)


def used_generator(check, *args):
    """Check with a generator that has drawn numbers already, so that its seed does not recreate it."""
    rng = np.random.Generator(np.random.MT19937(3))
    rng.normal(size=10)
    check(*args, rng=rng)


failure("a used generator", used_generator, check_vjp, thirds, X)


def methods_only_by_decorators():
    class Slope:
        @staticmethod
        def f(x):
            return np.sin(x)

        @classmethod
        def wrong(cls, x, g):
            return g * cls.f(x)

    check_gradient(Slope.f, lambda x, g: Slope.wrong(x, g), X)


FAILURES["a class of static methods"] = methods_only_by_decorators


def calls_itself():
    itself = broken("exp", x=lambda g, x: 2.0 * g * itself(x))
    return itself


failure("an op that its vjp calls", check_vjp, calls_itself(), X)

# --- Functions and classes that are not in a file, or that a decorator made ---

SPACE = {"np": np, "__name__": "__main__"}
exec(
    "class Exec:\n    def f(self, x):\n        return np.sin(x)\n    def g(self, x, g):\n        return g * self.f(x)",
    SPACE,
)
exec("class Sub(Exec):\n    def f(self, x):\n        return super().f(x) * 2", SPACE)
exec("def gradient(k):\n    return lambda x, g, *, a=1.0: a * k * g * np.sin(x)", SPACE)
CELL = (
    "class Cell:\n    def f(self, x):\n        return x**2\n\n    def g(self, x, g):\n        return g * np.cosh(x)\n"
)
linecache.cache["<cell 1>"] = len(CELL), None, CELL.splitlines(keepends=True), "<cell 1>"
exec(compile(CELL, "<cell 1>", "exec"), SPACE)


def local_functions():
    count = 0

    class Base:
        k = 1.0

        def __call__(self, x):
            nonlocal count
            count += 1
            return np.sin(x) * self.k

    class Empty(Base):
        k = 2.5

    @dataclasses.dataclass(frozen=True)
    class Frozen:
        k: float

        def __call__(self, x: "Unknown") -> "Unknown":  # noqa: F821 - a name for type checkers
            """Return a scaled sine.

            The number has the empty line and the margin of a string.
            """
            return (
                np.sin(x)
                * self.k
                * len("""a

    b""")
            )

    class Mode(enum.Enum):
        TWICE = 2

    @functools.lru_cache
    def factor():
        return 2.0

    def call(self, x):
        return np.sin(x) * self.k

    mode, index, total = Mode.TWICE, (..., slice(1)), np.asfortranarray(np.ones((9, 4), "f4"))
    return {
        "of a class without methods": Empty(), "of a frozen dataclass": Frozen(2.0),
        "of a class made by type": type("Made", (), {"k": 3.0, "__call__": call, "p": property(call)})(),
        "with an Enum": lambda x: np.sin(x) * mode.value, "with a cached function": lambda x: np.sin(x) * factor(),
        "with an Ellipsis in an index": lambda x: np.sin(x) * x[index],
        "with many numbers": lambda x: np.sin(x) * total.sum(),
        "with a RandomState": functools.partial(lambda r, x: np.sin(x), np.random.RandomState(3)),
    }  # fmt: skip


def wrong_sine(x, g):
    return g * np.sin(x)


for kind, f in local_functions().items():
    failure(f"a function {kind}", check_gradient, f, wrong_sine, X)
failure("code of exec", check_gradient, np.sin, SPACE["gradient"](2.0), X)
for kind in ("Exec", "Sub", "Cell"):
    failure(f"methods of {kind}", check_gradient, SPACE[kind]().f, SPACE[kind]().g, X)
failure("a named tuple", check_gradient, lambda p: np.sin(p.a), lambda p, g: p, collections.namedtuple("P", "a")(X))
failure("an Ellipsis", check_gradient, lambda x, at: np.sin(x[at]), lambda x, at, g: g * x, X, ...)

# --- Inside Hypothesis ---


def scaled(vjp):
    """Return the vjp times 1.01."""

    @functools.wraps(vjp)
    def wrong(*args, **kwargs):
        return vjp(*args, **kwargs) * 1.01

    return wrong


def drawn(name):
    """Fail on drawn calls of an op whose first vjp is wrong."""
    right = tg.ops.registry[name]
    first = right.inputs[0]
    wrong = broken(name, **{first: scaled(right.vjp_functions[first])})

    @settings(database=None, max_examples=10, derandomize=True, phases=(Phase.generate, Phase.shrink))
    @given(calls(name))
    def test(call):
        same = Call(wrong, call.inputs, call.differentiable, **call.settings)
        check_vjp(same, *same.arrays, order=1)

    test()


for name in ("matmul", "softmax", "inv"):
    failure(f"drawn calls of {name}", drawn, name)


def drawn_inputs():
    check_module(Importable(), st.just(X))


failure("drawn inputs of a module", drawn_inputs)


# --- Pasting ---

PASTE = """
import json, sys, types, warnings
warnings.simplefilter("error")
for text in json.load(sys.stdin):
    sys.modules["__main__"] = main = types.ModuleType("__main__")
    try:
        exec(compile(text, "<pasted>", "exec"), main.__dict__)
        print(json.dumps(["no error", ""]))
    except Exception as error:
        print(json.dumps([type(error).__name__, str(error).splitlines()[0]]))
"""


def printed(name):
    """Return the class of a failure, its first line, and its code to paste."""
    with pytest.raises(TinygradError) as caught:
        FAILURES[name]()
    message, _, lines = str(caught.value).partition("\nTo reproduce:\n")
    return [type(caught.value).__name__, message.splitlines()[0]], lines


def pasted(texts):
    """Run each text in its own module, all in one new process, and return the class and first line of each error."""
    result = subprocess.run(
        [sys.executable, "-c", PASTE], input=json.dumps(texts), capture_output=True, text=True, check=False
    )
    assert not result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


@pytest.mark.thorough
def test_a_hundred_failures_are_the_same_when_they_are_pasted():
    assert len(FAILURES) >= 100
    heads, texts = zip(*map(printed, FAILURES), strict=True)
    found = dict(zip(FAILURES, pasted(texts), strict=True))
    assert found == dict(zip(FAILURES, heads, strict=True))


@pytest.mark.thorough
@pytest.mark.parametrize("name", thorough(["a local module", "an array: large"], quick=["a local module"]))
def test_lines_can_be_pasted_at_a_prompt(name, tmp_path):
    (kind, head), lines = printed(name)
    at_prompt = subprocess.run(
        [sys.executable, "-i", "-q"], input=lines + "\n", capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert f".{kind}: {head}\n" in at_prompt.stderr, at_prompt.stderr


# --- Values that cannot be written as code ---


class Locked:
    def __init__(self):
        self.lock = threading.Lock()

    def __call__(self, x):
        return np.sin(x)


def test_what_cannot_be_written_is_said():
    with pytest.raises(TinygradError) as caught:
        check_gradient(Locked(), wrong_sine, X[0])
    lines = str(caught.value).splitlines()
    reason = "lock, which cannot be pickled: cannot pickle '_thread.lock' object"
    assert f"To reproduce, fill in what cannot be written as code, lock ({reason}):" in lines
    assert f"lock = ...  # to be filled in: {reason}" in lines
    assert "f.lock = lock" in lines


def test_an_array_of_many_numbers_is_in_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for size in (32, 33):
        x = np.random.default_rng(size).normal(size=size)
        with pytest.raises(TinygradError) as caught:
            check_vjp(lambda y, x=x: thirds(y * x), x)  # fails for no part of x
        code = str(caught.value).partition("\nTo reproduce:\n")[2]
        files = list(tmp_path.glob("*.npz"))
        assert ("y = np.array([" in code, len(files)) == (size == 32, size == 33)
    assert f"\narrays = dict(np.load({str(files[0])!r}))\n" in code
    assert len(code) < 700
    np.testing.assert_array_equal(np.load(files[0])["y"], x, strict=True)


@pytest.mark.thorough
def test_a_large_array_is_reduced_to_a_part_with_a_wrong_element(tmp_path):
    def grad(table, weights, cotangent):
        wrong = 2 * cotangent * weights * table
        wrong[np.abs(table) > 99] = 0
        return wrong, np.sum(cotangent * table**2, axis=-1, keepdims=True)

    table = np.random.default_rng(0).normal(size=(3000, 3))
    table[1234, 1] = 100
    with pytest.raises(TinygradError, match=r"difference at table\[1234, 1\]") as caught:
        check_gradient(lambda table, weights: weights * table**2, grad, table, np.arange(1.0, 3001)[:, None])
    lines = str(caught.value).partition("\nTo reproduce:\n")[2]
    assert "weights = np.array([[1235.0], [1236.0], [1237.0], [1238.0]])" in lines
    assert pasted([lines])[0][0] == "GradientMismatch"


def test_an_error_can_be_pickled():
    with pytest.raises(TinygradError) as caught:
        FAILURES["a function: a lambda"]()
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again)) == (type(caught.value), str(caught.value))


def test_lines_are_taken_from_each_error_of_a_group():
    errors = []
    for name in ("a function: a lambda", "a law of modules"):
        with pytest.raises(TinygradError) as caught:
            FAILURES[name]()
        errors.append(caught.value)
    lines = [str(error).partition("\nTo reproduce:\n")[2] for error in errors]
    assert reproduction_lines(ExceptionGroup("two", [*errors, ValueError()])) == "\n\n".join(lines)
    assert all(str(error).endswith("\nTo reproduce: see below.") for error in errors)
    assert reproduction_lines(ValueError("of another")) == ""


@reproducible
def check_once(f, x):
    check_vjp(f, x, order=1)


def test_a_check_that_calls_another_is_the_one_to_repeat():
    with pytest.raises(TinygradError) as caught:
        check_once(thirds, X)
    assert str(caught.value).count("To reproduce:") == 1
    assert str(caught.value).endswith("check_once(thirds, x)")
