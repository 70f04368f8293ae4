"""The tape as a table: nodes in order of creation, with the values saved for each vjp."""

import io

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, nn, tape
from tinygrad_edu.errors import NoGraphError
from tinygrad_edu.tape.values import array_of


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def cells(table):
    """Return the rows of a table as dicts, by column head."""
    lines = table.splitlines()
    heads = ["row", "name", "op", "inputs", "result", "bytes", "us", "saves", "called at"]
    places = sorted((lines[0].index(head), head) for head in heads if head in lines[0])
    ends = [begin for begin, _ in places[1:]] + [None]
    for line in lines[1:]:
        if line.startswith("%"):
            yield {head: cell(line, head, begin, end) for (begin, head), end in zip(places, ends, strict=True)}


def cell(line, head, begin, end):
    """Return the cell below a head. Numbers are right-aligned, and may begin before the head."""
    if head not in ("bytes", "us"):
        return line[begin:end].strip()
    end = begin + len(head)
    return line[:end].split()[-1] if line[begin:end].strip() else ""


def test_each_node_has_a_row_after_those_of_its_inputs():
    x, w = leaf(1.0, 2.0), leaf([0.5, -1.0], [1.0, 2.0])
    h = tg.tanh(x @ w + 1.0)
    out = io.StringIO()
    tape.show((h * 2).sum(), names={"x": x, "w": w, "h": h}, file=out)
    rows = list(cells(out.getvalue()))
    assert [row["op"] for row in rows] == ["leaf", "leaf", "matmul", "add", "tanh", "multiply", "sum"]
    assert [row["name"] for row in rows] == ["x", "w", "", "", "h", "", ""]
    assert rows[2]["inputs"] == "%0 %1"
    assert rows[3]["inputs"] == "%2 const"
    assert rows[2]["saves"].startswith("for x: x_shape = (2,), y = [[0.5, -1.0], [1.0, 2.0]]; for y: x = [1.0, 2.0]")
    assert rows[3]["saves"] == ""
    assert rows[4]["saves"].startswith("for x: out = [")
    assert [row["bytes"] for row in rows] == ["", "", "48", "", "16", "", ""]
    assert "their saved values take 64 bytes" in out.getvalue()


def twice_and_square(x):
    return 2 * x, x * x


def joint():
    """Return `twice_and_square` with a joint rule, whose residual is an array."""
    function = tg.custom_vjp(twice_and_square)
    function.defvjp(
        lambda x: (twice_and_square(x), {"slope": 2 * x}), lambda kept, g: (2 * g[0] + kept["slope"] * g[1],)
    )
    return function


def test_a_call_with_a_joint_rule_is_one_row_with_all_that_it_keeps():
    x = leaf(1.0, 2.0)
    twice, square = joint()(x)
    kept = tg.checkpoint(lambda x, n, scale: tg.exp(x * n) * scale)(twice, 3, scale=leaf(0.5))
    rows = tape.of((kept * square).sum()).rows
    (row,) = [row for row in rows if row.op == "twice_and_square"]
    assert [name for name, _, _ in row.saved] == ["x", "residuals['slope']"]
    assert row.bytes == 32
    (row,) = [row for row in rows if row.op == "function"]
    assert [(name, array_of(value).tolist()) for name, value, _ in row.saved] == [
        ("args[0]", [2.0, 4.0]), ("args[1]", 3), ("kwargs['scale']", [0.5]),
    ]  # fmt: skip
    assert "exp" not in [row.op for row in rows]


def test_names_are_those_of_modules_of_lists_and_of_all_variables():
    model, weights = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), [leaf(1.0), leaf(2.0)]
    out = model(np.ones((1, 2), np.float32)).sum()
    assert set(tape.of(out, names=model).names.values()) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    assert "model.1.bias" in tape.of(out, names={"model": model}).names.values()
    loss = weights[0] * weights[1]
    held = {"weights": weights, "loss": loss, "other": 3}
    held["held"] = held  # as globals() contains itself
    assert list(tape.of(loss, names=held).names.values()) == ["weights.0", "weights.1", "loss"]
    assert set(tape.of(loss, names=locals()).names.values()) >= {"weights.0", "weights.1", "loss"}


@pytest.mark.parametrize("name", ["_", "___", "_3", "_oh", "Out"])
def test_a_variable_has_its_name_and_not_that_of_the_history_of_ipython(name):
    x, y = leaf(1.0), leaf(2.0)
    cells = {3: x}
    history = {"_": x, "__": x, "___": x, "_3": x, "_i3": "x", "_oh": cells, "Out": cells, "In": ["", "x"], "_dh": []}
    assert list(tape.of(x * y, {**history, "x": x, "y": y}).names.values()) == ["x", "y"]
    assert not tape.of(x * 2, history).names
    assert list(tape.of(x * 2, {name: x}).names.values()) == [name]  # a dict without the history of IPython


def test_a_public_name_is_preferred_to_a_private_one():
    x = leaf(1.0)
    assert list(tape.of(x * 2, {"_cached": x, "x": x, "same": x}).names.values()) == ["x"]


def test_times_are_of_a_walk_that_changes_nothing():
    x = leaf(1.0, 2.0)
    loss = (x * x).sum()
    rows = list(cells(tape.of(loss, times=True).table()))
    assert [bool(row["us"]) for row in rows] == [False, True, True]
    assert float(rows[1]["us"]) > 0
    assert x.grad is None
    loss.backward()
    assert "freed" in repr(tape.of(loss))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("value", "kind"), [(0.0, "infinity"), (-1.0, "NaN")])
def test_the_first_nan_or_infinity_is_pointed_at(value, kind):
    x = leaf(1.0, value)
    y = tg.log(x * 1.0)
    assert f"The first {kind}: %2, log." in repr(tape.of((y * y).sum()))
    assert "The first" not in repr(tape.of(tg.log(leaf(1.0)) * 2))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_first_vjp_to_make_one_is_pointed_at():
    x = leaf(1.0, 0.0)
    assert repr(tape.steps((tg.sqrt(x) * 2).sum())).endswith(
        "Step 2 is the first to return an infinity from inputs without it."
    )


@pytest.mark.fast
def test_modules_fold():
    model = nn.Sequential(nn.Conv2D(1, 2, 3), nn.Sequential(nn.ReLU(), nn.Flatten()), nn.Linear(2 * 4, 3))
    with tape.watch():
        loss = nn.cross_entropy(model(np.ones((1, 1, 4, 4), np.float32)), [1])
    rows = list(cells(tape.of(loss, names=model).table(fold=1)))
    ops = [row["op"] for row in rows if row["op"] != "leaf"]
    assert ops == ["0: Conv2D (1 node)", "1: Sequential (2 nodes)", "2: Linear (1 node)", "cross_entropy"]
    assert rows[5]["row"] == "%5-6"
    assert rows[6]["inputs"] == "%2 %3 %6"
    deeper = [row["op"] for row in cells(tape.of(loss).table(fold=2))]
    assert "1.0: ReLU (1 node)" in deeper
    assert "conv2d" in deeper  # called by a module of depth 1, not 2
    assert "test_text.py:" in repr(tape.of(loss))


def test_to_fold_the_forward_has_to_be_watched():
    with pytest.raises(ValueError, match=r"inside `with tape\.watch\(\):`"):
        tape.show(nn.Linear(1, 1)([[1.0]]).sum(), fold=1)


def test_what_has_no_tape_says_so():
    with tg.no_grad():
        y = leaf(1.0) * 2
    with pytest.raises(NoGraphError, match="this tensor has no tape"):
        tape.show(y)


def test_a_shared_memory_is_counted_once():
    x = leaf(*range(1000))
    y = tg.tanh(x)
    table = tape.of((y * y).sum() + (y.reshape(10, 100) * 2.0).sum())
    assert sum(row.bytes for row in table.rows) == 8000
