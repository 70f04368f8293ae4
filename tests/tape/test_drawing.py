"""Drawings of the graph by Graphviz, from the extra `draw`."""

import re
import subprocess
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from pygraphviz import AGraph

import tinygrad_edu as tg
from tinygrad_edu import Tensor, nn, tape
from tinygrad_edu.errors.extras import remedy


def test_the_ending_says_what_it_is_and_another_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"the suffix of '.*graph\.gif' must be 'svg', 'png', 'pdf' or 'dot', got 'gif'"
    ):
        tape.draw(Tensor(1.0, requires_grad=True), tmp_path / "graph.gif")


@pytest.mark.thorough
def test_without_the_extra_it_is_named(tmp_path):
    program = (
        "import sys; sys.modules['pygraphviz'] = None\n"
        "import tinygrad_edu as tg; from tinygrad_edu import tape\n"
        "tape.draw(tg.Tensor(1.0, requires_grad=True), 'graph.svg')"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"MissingExtraError: draw requires pygraphviz: {remedy('draw')}." in done.stderr
    assert not list(tmp_path.iterdir())


def texts(path):
    return [element.text for element in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


def test_boxes_arrows_and_frames(tmp_path):
    model = nn.Sequential(nn.Linear(2, 3), nn.Sequential(nn.Tanh(), nn.Linear(3, 1)))
    with tape.watch() as walks:
        loss = (model(np.ones((1, 2), np.float32)) ** 2).sum()
        loss.backward()
    tape.draw(walks[0], tmp_path / "graph.svg", names={"model": model, "loss": loss})
    found = texts(tmp_path / "graph.svg")
    assert {"tanh", "model.0.weight", "Sequential", "0: Linear", "1: Sequential", "1.1: Linear", "(3, 2)"} <= set(found)
    tape.draw(walks[0], tmp_path / "graph.dot", names=model)
    source = (tmp_path / "graph.dot").read_text()
    edges = set(re.findall(r"(\d+) -> (\d+)", source))
    rows = walks[0].rows
    assert edges == {(str(k), str(row.index)) for row in rows for k in row.inputs if k is not None}
    assert source.count("subgraph") == 5  # with 1.0: Tanh


def test_values_and_gradients_are_in_the_boxes(tmp_path):
    x = Tensor(np.array([1.0, 2.0]), requires_grad=True)
    loss = (x * x).sum()
    tape.draw(loss, tmp_path / "graph.svg", names={"x": x})
    assert "[1.0, 2.0]" in texts(tmp_path / "graph.svg")
    assert "[2.0, 4.0]" not in texts(tmp_path / "graph.svg")
    assert x.grad is None
    tape.draw(tape.steps(loss), tmp_path / "graph.svg", names={"x": x})
    assert "[2.0, 4.0]" in texts(tmp_path / "graph.svg")


def constants(path):
    """Return the texts of each dashed box, and the rows that its arrows lead to."""
    graph = AGraph(str(path))
    dashed = [node for node in graph.nodes() if "dashed" in node.attr["style"]]
    return [(re.findall(">([^<>]+)</font>", node.attr["label"]), graph.successors(node)) for node in dashed]


def test_inputs_without_a_gradient_have_boxes_of_their_own(tmp_path):
    x, w = Tensor([[1.0, 2.0]]), Tensor([[0.5], [1.0]], requires_grad=True)
    off, large = Tensor([3.0]), Tensor(np.ones((9, 2), np.float32))
    loss = ((x @ w + off) * 2.0).sum() + (x @ w + 5.0).sum() + (large @ w).mean()
    tape.draw(loss, tmp_path / "graph.dot", names={"x": x, "off": off})
    rows = tape.of(loss).rows
    assert [(texts, [rows[int(k)].op for k in to]) for texts, to in constants(tmp_path / "graph.dot")] == [
        (["x", "[[1.0, 2.0]]"], ["matmul", "matmul"]),
        (["off", "[3.0]"], ["add"]),
        (["const", "2.0"], ["multiply"]),
        (["const"], ["add"]),
        (["const"], ["matmul"]),
    ]
    assert "(9, 2)" in (tmp_path / "graph.dot").read_text()


def test_a_view_of_a_named_tensor_is_not_that_tensor(tmp_path):
    x, w = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([0.5, 1.0], requires_grad=True)
    tape.draw((x[0] * w).sum(), tmp_path / "graph.dot", names={"x": x})
    assert constants(tmp_path / "graph.dot") == [(["const", "[1.0, 2.0]"], ["1"])]


def test_without_a_path_a_notebook_shows_the_drawing():
    x = Tensor([1.0, 2.0], requires_grad=True)
    shown = tape.draw((x * x).sum(), names={"x": x})
    assert "tape.draw(loss, 'graph.svg')" in repr(shown)
    page = ET.fromstring(shown._repr_html_())
    assert "x" in [element.text for element in page.iter("{http://www.w3.org/2000/svg}text")]


def test_every_form_is_written_and_names_are_harmless(tmp_path):
    x = Tensor(1.0, requires_grad=True)
    y = tg.exp(x)
    nasty = '<b>"\\N & </font>'
    begins = {"svg": b"<?xml", "png": b"\x89PNG", "pdf": b"%PDF", "dot": b"strict digraph"}
    for ending, begin in begins.items():
        tape.draw(y, tmp_path / f"graph.{ending}", names={nasty: x})
        assert (tmp_path / f"graph.{ending}").read_bytes().lstrip().startswith(begin)
    assert nasty in texts(tmp_path / "graph.svg")
