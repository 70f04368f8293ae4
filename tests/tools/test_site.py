"""The documentation site: built, served by a second process, and tested in a browser."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from inspect import ismodule
from itertools import chain
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest

import tinygrad_edu as tg
from tools import notebooks
from tools.project import repository
from tools.site.pages import places

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
SHOW = "import sys; from pathlib import Path; from tools.site.__main__ import serve; serve(Path(sys.argv[1]), 0)"
MAIN = ["", "install/", "engine/", "testing_gradients/", "models/mnist_lenet/", "speed/", "reference/engine/tensor/"]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    from tools.site.__main__ import build

    folder = tmp_path_factory.mktemp("built") / "site"
    build(folder)
    return folder


@pytest.fixture(scope="module")
def address(site):
    process = subprocess.Popen([sys.executable, "-c", SHOW, str(site)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    with process:
        yield process.stdout.readline().split()[0]
        process.terminate()


class Names(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, page):
        super().__init__()
        self.links, self.anchors = set(), {""}
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.links.update(filter(None, (named.get("href"), named.get("src"))))
        self.anchors.update(filter(None, (named.get("id"), named.get("name"))))


def test_every_link_and_anchor_leads_somewhere(site):
    pages = {path: Names(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    wrong = []
    for path, page in pages.items():
        here = f"http://site/{path.relative_to(site).as_posix()}"
        for link in page.links if path.name != "404.html" else ():
            there = urlsplit(urljoin(here, link))
            if there.netloc != "site":
                continue
            target = site / unquote(there.path[1:])
            target = target / "index.html" if target.is_dir() else target
            anchors = pages[target].anchors if target in pages else {""}
            if not target.exists() or unquote(there.fragment) not in anchors:
                wrong.append((here, link))
    assert len(pages) > 100
    assert not wrong


@pytest.mark.parametrize("name", MAIN)
@pytest.mark.parametrize("width", [1280, 390])
def test_main_pages_fit_the_screen(page, address, name, width):
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(address + name)
    assert page.locator("h1").first.is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_search_finds_a_word_and_leads_to_it(page, address):
    page.goto(address, wait_until="networkidle")  # the index and the key handler are loaded
    page.keyboard.press("Control+k")
    search = page.get_by_placeholder("Search")
    search.fill("cotangent")
    page.get_by_text(re.compile(r"\d+ results")).wait_for()
    search.press("Enter")
    page.wait_for_url(re.compile("glossary"))


def test_the_reader_s_own_colours_are_taken_and_can_be_changed(page, address):
    def scheme():
        return page.locator("body").get_attribute("data-md-color-scheme")

    page.emulate_media(color_scheme="dark")
    page.goto(address)
    assert scheme() == "slate"
    page.get_by_title("Switch to light mode").click()
    assert scheme() == "default"


def test_each_public_name_has_an_entry_with_its_signature(site):
    text = "".join(path.read_text(encoding="utf-8") for path in (site / "reference").rglob("*.html"))
    found = set(re.findall(r'id="tinygrad_edu[\w.]*\.(\w+)"|<code>(\w+)</code> is <code>', text))
    public = {name for room in (tg, tg.nn, tg.optim) for name in room.__all__ if not ismodule(getattr(room, name))}
    assert not public - set(chain.from_iterable(found))
    assert re.search(r"t\.sum\(axis=None, keepdims=False", text)


def test_pages_and_lessons_offer_their_notebooks(site):
    for source, place in notebooks.PLACES.items():
        page = places()[Path(source)].removesuffix("index.md").removesuffix(".md")
        links = Names((site / page / "index.html").read_text(encoding="utf-8")).links
        (file,) = [link for link in links if link.endswith(".ipynb") and ":" not in link]
        assert (site / page / file).resolve() == site.resolve() / "notebooks" / f"{place}.ipynb"
        (colab,) = [link for link in links if "colab" in link]
        owner = repository().removeprefix("https://github.com/")
        assert colab == f"https://colab.research.google.com/github/{owner}/blob/notebooks/{place}.ipynb"
    plain = Names((site / "core" / "index.html").read_text(encoding="utf-8")).links
    assert not any(link.endswith(".ipynb") for link in plain)


def test_an_op_is_shown_with_its_vjps(site):
    page = (site / "reference/ops/arithmetic/index.html").read_text(encoding="utf-8")
    assert "vjps" in re.sub("<[^>]+>", "", page.partition("multiply")[2])
