"""The page of the tape in a real browser: values equal NumPy's, and keys and buttons step forward and backward."""

import os
import re
from html.parser import HTMLParser

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor, nn, tape
from tinygrad_edu.errors import DataError, NoGraphError


def leaf(*values, dtype=np.float64):
    return Tensor(np.array(values, dtype), requires_grad=True)


def small():
    """Record a layer of two neurons. Return the backward pass, the variables, and the gradients computed by NumPy."""
    x, w, b = leaf([1.0, 2.0]), leaf([0.5, -1.0], [1.0, 2.0]), leaf(-2.0, -2.5)
    with tape.watch() as walks:
        h = tg.tanh(x @ w + b)
        loss = (h * h).sum()
        loss.backward()
    bent = np.tanh(x.numpy() @ w.numpy() + b.numpy())
    slope = 2 * bent * (1 - bent**2)
    wanted = {"h": 2 * bent, "b": slope[0], "w": x.numpy().T @ slope, "x": slope @ w.numpy().T}
    return walks[0], locals(), wanted


def open_page(page, path):
    page.goto(path.as_uri())


def numbers(locator):
    return [float(text) for text in locator.locator("td").all_inner_texts()]


def row_of(page, name):
    return page.locator(".row", has=page.locator(".name", has_text=re.compile(f"^{name}$")))


def at(page):
    return page.locator("#count").inner_text()


# --- Without a browser ---


def test_the_page_is_one_small_file_that_leaves_the_gradient(tmp_path):
    w = leaf(1.0, 2.0)
    tape.page((w * w).sum(), tmp_path / "tape.html", names={"w": w})
    assert w.grad.tolist() == [2, 4]
    text = (tmp_path / "tape.html").read_text()
    assert os.listdir(tmp_path) == ["tape.html"]
    assert not re.findall(r"""(?:src|href)=["'](?!data:)|https?://(?!www\.w3\.org/2000/svg)|@import|url\(""", text)
    assert len(text) < 50_000
    with pytest.raises(NoGraphError):
        tape.page(Tensor(1.0), tmp_path / "none.html")
    with pytest.raises(DataError, match=r"cannot write the page to .*No such file"):
        tape.page((w * w).sum(), tmp_path / "no folder" / "tape.html")
    assert os.listdir(tmp_path) == ["tape.html"]


def test_without_a_path_a_notebook_shows_the_page_in_a_frame(tmp_path):
    walk, names, _ = small()
    shown = tape.page(walk, names=names, title="<Two>")
    assert "tape.page(loss, 'tape.html')" in repr(shown)
    tape.page(walk, tmp_path / "tape.html", names=names, title="<Two>")
    frame = FrameSource(shown._repr_html_())
    assert frame.title == "<Two>"
    assert frame.source == (tmp_path / "tape.html").read_text()


class FrameSource(HTMLParser):
    """The title and the page of a frame."""

    def __init__(self, text):
        super().__init__()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        assert tag == "iframe"
        self.title, self.source = (dict(attributes)[name] for name in ("title", "srcdoc"))


def test_a_large_array_is_shown_in_part_and_pictures_stay_pictures(tmp_path):
    from tinygrad_edu.tape.encoding import _steps

    assert _steps((3, 28, 28), 4096) == [1, 1, 1]
    assert _steps((128, 16, 28, 28), 4096)[2:] == [1, 1]
    assert _steps((2, 1000, 500), 2048)[1] >= 2
    assert _steps((), 16) == []
    for shape in [(100_000,), (1, 5000, 1), (64, 3, 224, 224)]:
        assert np.prod([-(-n // s) for n, s in zip(shape, _steps(shape, 1000), strict=True)]) <= 1000
    x = leaf(*np.linspace(0, 1, 200_000))
    tape.page((x * 2.0).sum(), tmp_path / "tape.html")
    assert (tmp_path / "tape.html").stat().st_size < 120_000


# --- In a browser ---


@pytest.fixture
def stepped(page, tmp_path):
    walk, names, wanted = small()
    tape.page(walk, tmp_path / "tape.html", names=names, title="A layer <of> {{data}} two & more")
    open_page(page, tmp_path / "tape.html")
    return page, walk, wanted


@pytest.mark.browser
def test_it_opens_at_the_recorded_tape(stepped):
    page, walk, _ = stepped
    assert page.title() == page.locator("h1").inner_text() == "A layer <of> {{data}} two & more"
    assert page.locator("#summary").inner_text() == f"8 rows, {len(walk)} steps"
    assert page.locator(".row").count() == 8
    assert page.locator("#arcs path").count() == 7  # h * h is one arc
    assert at(page) == "0 / 8"
    assert page.locator("#back").is_disabled()
    assert "Recorded" in page.locator("#step").inner_text()
    assert row_of(page, "loss").locator(".gradient").inner_text() == "1"


@pytest.mark.browser
def test_the_player_steps_in_the_frame_of_a_notebook(page):
    walk, names, _ = small()
    page.set_content(f"<h1>A cell</h1>{tape.page(walk, names=names)._repr_html_()}")
    frame = page.frame_locator("iframe")
    frame.locator("#next").click()
    assert frame.locator("#count").inner_text() == f"1 / {len(walk)}"
    assert frame.locator("#vjp").inner_text() == walk[0].vjp


@pytest.mark.browser
def test_each_step_shows_what_the_walk_did_and_the_end_is_numpys(stepped):
    page, walk, wanted = stepped
    for k, step in enumerate(walk):
        page.keyboard.press("ArrowRight")
        assert at(page) == f"{k + 1} / 8"
        assert page.locator("#vjp").inner_text() == step.vjp
        assert (
            page.locator("#step h2").inner_text() == f"Gradient of {step.node.op.name} with respect to {step.argument}"
        )
        np.testing.assert_allclose(numbers(page.locator("#step .card.g")), np.ravel(step.g), rtol=1e-3)
        returned = page.locator("#step .card.out").first
        np.testing.assert_allclose(numbers(returned), np.ravel(step.returned), rtol=1e-3)
        assert page.locator("path.on").count() == 1
        assert f"Step {k + 1} of 8: {step.node.op.name}" in page.locator("#live").inner_text()
    assert "No row is waiting" in page.locator("#step").inner_text()
    for name, gradient in wanted.items():
        row_of(page, name).click()
        card = page.locator("#row .card", has_text="gradient")
        np.testing.assert_allclose(numbers(card), gradient.ravel(), rtol=1e-3)
    assert page.locator("#row .card", has_text="saved for the vjp of").count() == 0  # x is a leaf


@pytest.mark.browser
def test_the_substituted_vjp_and_what_was_undone_are_shown(stepped):
    page, walk, _ = stepped
    products = [k for k, step in enumerate(walk) if step.node.op is tg.multiply]
    for _ in range(products[0] + 1):
        page.locator("#next").click()
    assert re.fullmatch(r"\[\[1\.0, 1\.0\]\] \* \[\[0\.\d+, 0\.\d+\]\]", page.locator("#values").inner_text())
    of_b = next(k for k, step in enumerate(walk) if step.node.op is tg.add and step.argument == "y")
    page.locator("#slider").fill(str(of_b + 1))
    assert "summed over the broadcast axes" in page.locator("#step").inner_text()


@pytest.mark.browser
def test_it_goes_back_to_the_ends_and_plays_by_keys(stepped):
    page, *_ = stepped
    page.keyboard.press("End")
    assert at(page) == "8 / 8"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert at(page) == "6 / 8"
    page.keyboard.press("Space")
    assert page.locator("#play").get_attribute("aria-label") == "Pause (space)"
    page.wait_for_function("document.getElementById('count').textContent === '8 / 8'")
    page.wait_for_function("document.getElementById('play').getAttribute('aria-label') === 'Play (space)'")
    page.keyboard.press("Home")
    assert at(page) == "0 / 8"
    page.keyboard.press("ArrowLeft")
    assert at(page) == "0 / 8"
    page.locator("#play").click()
    page.wait_for_function("document.getElementById('count').textContent === '1 / 8'")
    page.locator("#play").click()  # pauses
    page.locator("#slider").focus()
    page.keyboard.press("ArrowRight")  # handled by the slider, once
    assert at(page) == "2 / 8"


@pytest.mark.browser
def test_rows_are_chosen_by_keys_and_said(stepped):
    page, *_ = stepped
    page.locator("#tape").focus()
    page.keyboard.press("ArrowUp")
    chosen = page.locator('[role=treeitem][aria-selected="true"]')
    assert chosen.get_attribute("data-row") == "6"
    assert page.locator("#tape").get_attribute("aria-activedescendant") == chosen.get_attribute("id")
    assert "6: multiply, (1, 2)" in chosen.get_attribute("aria-label")
    assert "Row %6" in page.locator("#row h2").inner_text()
    assert "test_player.py" in page.locator("#row").inner_text()
    named = page.locator("button, input, [role=tree], [role=status]")
    for k in range(named.count()):
        assert named.nth(k).get_attribute("aria-label") or named.nth(k).get_attribute("role") == "status"


@pytest.mark.browser
def test_names_and_text_are_harmless_and_nan_is_shown(page, tmp_path):
    nasty = '</script><script>throw Error("run")</script><img src=x onerror=alert(1)>'
    x = leaf(1.0, -1.0, np.inf)
    with np.errstate(all="ignore"):
        tape.page(tg.sqrt(x).sum(), tmp_path / "tape.html", names={nasty: x}, title=nasty)
    open_page(page, tmp_path / "tape.html")
    assert page.locator("h1").inner_text() == nasty
    assert page.locator(".name").first.inner_text() == nasty
    page.keyboard.press("End")
    page.locator(".row").first.click()
    assert page.locator("#row .card.g td").all_inner_texts() == ["0.5", "nan", "0"]
    assert page.locator("#row .card.asked td").all_inner_texts() == ["1", "-1", "inf"]
    assert page.locator("img").count() == 0


@pytest.mark.browser
def test_an_error_in_a_vjp_is_shown(page, tmp_path):
    @tg.op
    def breaks(x):
        return x + 1

    breaks.vjps(x=lambda g: 1 / 0)
    with tape.watch() as walks, pytest.raises(ZeroDivisionError):
        breaks(leaf(1.0)).sum().backward()
    tape.page(walks[0], tmp_path / "tape.html")
    open_page(page, tmp_path / "tape.html")
    assert "the backward pass raised an error" in page.locator("#summary").inner_text()
    page.keyboard.press("End")
    assert "The vjp raised an error" in page.locator("#step").inner_text()


@pytest.mark.browser
def test_modules_and_vjps_fold(page, tmp_path):
    model = nn.Sequential(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), nn.Linear(3, 1))
    with tape.watch() as walks:
        model(np.ones((1, 2), np.float32)).sum().backward()
        tg.grad(tg.grad(lambda x: x**3))(2.0)
    tape.page(walks[0], tmp_path / "tape.html", names=model)
    open_page(page, tmp_path / "tape.html")
    groups = page.locator(".group")
    assert [text.split("\n")[-1] for text in groups.locator(".formula").all_inner_texts()] != []
    assert groups.nth(1).get_attribute("aria-label") == "0: Sequential, 2 nodes"
    before = page.locator(".row").count()
    groups.nth(1).click()
    assert page.locator(".row").count() == before - 2
    assert groups.nth(1).get_attribute("aria-expanded") == "false"
    page.keyboard.press("End")  # the last step is inside
    assert "here" in groups.nth(1).get_attribute("class")
    page.locator("#tape").focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    tape.page(walks[2], tmp_path / "second.html")
    open_page(page, tmp_path / "second.html")
    assert page.locator(".group").first.get_attribute("aria-label").startswith("the vjp of op power for x")
    page.keyboard.press("End")
    assert page.locator(".row .gradient").first.inner_text() == "12"


@pytest.mark.browser
def test_two_thousand_rows_are_drawn_as_far_as_they_are_in_sight(page, tmp_path):
    x = y = leaf(*np.linspace(0, 1, 4))
    for _ in range(667):
        y = tg.tanh(y * 1.01 + x)
    tape.page(y.sum(), tmp_path / "tape.html")
    open_page(page, tmp_path / "tape.html")
    assert "2,003 rows" in page.locator("#summary").inner_text()
    assert page.locator(".row").count() < 100
    page.keyboard.press("End")
    assert page.locator(".row[data-row='0']").is_visible()
    assert page.locator(".row").count() < 100
    page.locator(".row[data-row='0']").click()
    np.testing.assert_allclose(numbers(page.locator("#row .card.g")), x.grad, rtol=1e-3)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator(".row.here").get_attribute("data-row") == "2002"


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_it_fits_a_phone_and_follows_the_colours_of_the_system(stepped, width):
    page, *_ = stepped
    page.set_viewport_size({"width": width, "height": 844})
    papers = set()
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.keyboard.press("ArrowRight")
        # A browser reports the new scheme to scripts in its next frame.
        page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        papers.add(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("getComputedStyle(document.querySelector('path.on')).animationName") == "none"
        pixel = "document.querySelector('.row canvas').getContext('2d').getImageData(0, 0, 1, 1).data.join()"
        papers.add(page.evaluate(pixel))
    assert len(papers) == 4
