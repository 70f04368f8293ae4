"""Notebook display of a tensor, an op, a module, a summary and a tape."""

import io
import re
from base64 import b64decode
from html.parser import HTMLParser

import numpy as np
import pytest
import treescope
from PIL import Image

import tinygrad_edu as tg
from tinygrad_edu import Tensor, nn, tape
from tinygrad_edu.shared.display.html import array_html


class Balanced(HTMLParser):
    """Fails if a closing tag does not match the open one."""

    def __init__(self, text):
        super().__init__()
        self.open, self.texts, self.tags = [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data.strip())


class Odd(nn.Module):
    """A module with attributes of all kinds, including itself."""

    def __init__(self):
        self.layers = [nn.Linear(2, 3), nn.Linear(3, 1)]
        self.parts = {"<script>": Tensor(np.zeros((40, 50)))}
        self.bend = np.tanh
        self.itself = self

    def forward(self, x):
        return self.layers[1](tg.tanh(self.layers[0](x)))


def shown():
    w = Tensor(np.linspace(-1, 1, 600).reshape(20, 30), requires_grad=True)
    walk = tape.steps((w * w).sum())
    model = Odd()
    return {
        "leaf": w, "computed": w * 2, "scalar": Tensor(1.0), "empty": Tensor([]), "booleans": Tensor([True, False]),
        "op": tg.matmul, "module": model, "summary": nn.summary(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), (2,)),
        "tape": tape.of(w * 2, {"<b>": w}), "walk": walk, "step": walk[0],
    }  # fmt: skip


@pytest.mark.parametrize("what", shown())
def test_everything_has_a_form_that_is_html_and_runs_nothing(what):
    page = Balanced(shown()[what]._repr_html_())
    assert "script" not in page.tags
    assert any(page.texts)


def test_a_few_numbers_are_written_and_more_are_a_picture():
    few = Balanced(array_html(np.array([[1.5, -2.0], [np.nan, np.inf]])))
    assert [text for text in few.texts if text] == ["1.5", "-2", "nan", "inf"]
    array = np.zeros((20, 30))
    array[3, 4], array[5, 6], array[0, 0] = 2.0, -2.0, np.nan
    (encoded,) = re.findall(r"base64,([^\"]+)", text := array_html(array))
    picture = np.asarray(Image.open(io.BytesIO(b64decode(encoded))))
    assert picture.shape == (20, 30, 3)
    assert picture[3, 4].tolist() == [200, 80, 20]
    assert picture[5, 6].tolist() == [37, 99, 184]
    assert picture[0, 0].tolist() == [181, 23, 158]
    assert picture[9, 9].tolist() == [246, 243, 236]
    assert "-2 to 2, 1 x NaN or infinite" in text


LARGE = pytest.param((2000, 2000), marks=pytest.mark.thorough)


@pytest.mark.parametrize("shape", [(1000,), (500, 3, 8, 8), LARGE, (1, 0, 3), (7, 1, 1)])
def test_no_array_makes_a_page_of_its_own(shape):
    assert len(array_html(np.zeros(shape))) < 60_000
    Balanced(array_html(np.zeros(shape)))


def test_nested_modules_fold_and_tensors_have_pictures():
    page = Balanced(Odd()._repr_html_())
    assert page.tags.count("details") == 1 + 2 + 4 + 1  # itself, its layers, their parameters, the table of constants
    assert "parts.<script>: float64 (40, 50)" in page.texts
    assert "layers.0: Linear(in_features=2, out_features=3), 9 parameters" in page.texts
    assert "bend: tanh" in page.texts


@pytest.mark.thorough
def test_treescope_shows_the_parts():
    text = treescope.render_to_text(nn.Sequential(nn.Linear(2, 3)), ignore_exceptions=False)
    assert "Linear(" in text
    assert "requires_grad=True" in text
