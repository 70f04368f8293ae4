"""The documentation site: built, served by a second process, and tested in a browser."""

import inspect
import re
import subprocess
import sys
from html import unescape
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import numpy as np
import pytest

import tinygrad_edu as tg
from tinygrad_edu import core
from tinygrad_edu.ops.methods import METHODS
from tools import differences_page, functions_page, notebooks
from tools.campaign.numbers.ledger import LEDGER
from tools.project import repository
from tools.site import reference
from tools.site.pages import places

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
SHOW = "import sys; from pathlib import Path; from tools.site.__main__ import serve; serve(Path(sys.argv[1]), 0)"
MAIN = [
    "", "install/", "engine/", "core/", "testing_gradients/", "models/mnist_lenet/", "speed/", "functions/",
    "reference/", "reference/engine/tensor/", "reference/nn/sequences/transformer/",
]  # fmt: skip


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


def test_the_book_of_the_core_prints_on_at_most_40_pages(page, address):
    page.goto(f"{address}core/")
    printed = page.pdf(prefer_css_page_size=True)
    assert 10 < len(re.findall(rb"/Type\s*/Page\b", printed)) <= 40


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1500, 390])
def test_the_demos_of_the_book_run(page, address, width, scheme):
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme=scheme)
    page.goto(f"{address}core/")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("call", "pass", "im2col"):
        page.locator(f'iframe[src$="{name}.html"]').scroll_into_view_if_needed()
    call, im2col, walk = (page.frame_locator(f'iframe[src$="{name}.html"]') for name in ("call", "im2col", "pass"))
    assert "for x: y = [[5.0, 6.0]" in call.locator("#tape").inner_text()
    call.locator("#needed").select_option("neither")
    assert "nothing is saved" in call.locator("#tape").inner_text()
    im2col.locator("#kernel").select_option("3")
    im2col.locator("#columns tr:first-child td:nth-child(4)").click()
    assert im2col.locator("#image td.on").all_inner_texts() == ["6", "7", "8", "10", "11", "12", "14", "15", "16"]
    assert im2col.locator("#columns td.on").all_inner_texts() == im2col.locator("#image td.on").all_inner_texts()
    walk.locator("#next").click()
    assert walk.locator("#count").inner_text() == "1 / 3"


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


def html_of(site, place):
    return (site / place / "index.html").read_text(encoding="utf-8")


PAGES = {f"{page.module}.{name}": page.path.removesuffix(".md") for page in reference.pages() for name in page.names}
CLASSES = {f"{module}.{name}": each for module, name, each in reference.objects() if inspect.isclass(each)}


def test_each_class_is_shown_with_its_signature(site):
    """A class of NumPy has an entry without a signature."""
    wrong = {}
    for name, each in CLASSES.items():
        if each.__module__.startswith("tinygrad_edu"):
            found = shown_signature(html_of(site, PAGES[name]), name, import_module(each.__module__))
            expected = parameters_of(reference.signature(each))
            wrong |= {} if found == expected else {name: (found, expected)}
    assert len(CLASSES) > 200
    assert not wrong


def shown_signature(html, name, module):
    """Return the parameters in the signature below the heading of a class: run it as a definition."""
    entry = html.partition(f'id="{name}"')[2].partition("doc-contents")[0]
    code = re.search(r"doc-signature.*?<pre>(.*?)</pre>", entry, re.DOTALL)
    if code is None:
        return None
    scope = {**vars(np), **vars(tg), **vars(tg.optim), **vars(module), "np": np}
    exec(f"def {unescape(re.sub('<[^>]+>', '', code[1])).strip()}: pass", scope)
    return parameters_of(inspect.signature(scope[name.rpartition(".")[2]]))


def parameters_of(signature):
    return [(each.name, each.kind, each.default) for each in signature.parameters.values()]


def test_parameters_of_each_class_are_listed(site):
    for name, each in CLASSES.items():
        entry = html_of(site, PAGES[name]).partition(f'id="{name}"')[2].partition("Source code in")[0]
        listed = re.findall(r"<b><code>\*{0,2}(\w+)</code></b>", entry)
        expected = [] if reference.is_plain_exception(each) else list(reference.signature(each).parameters)
        assert listed[: len(expected)] == expected, name


def test_types_link_to_classes_only(site):
    """The type {"zeros", "reflect"} has no link to the function `zeros`."""
    wrong, right = [], 0
    for path in (site / "reference").rglob("*.html"):
        text = re.sub("<pre>.*?</pre>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)  # without signatures
        targets = re.findall(r'class="autorefs[^>]*href="[^"#]*#([^"]*)"', text)
        wrong += [(path, target) for target in targets if target not in CLASSES]
        right += len(targets)
    assert right > 200
    assert not wrong


def linked(site, place):
    """Return the names in code font that link to an entry of the reference."""
    return set(re.findall(r'<a href="[^"#]*#tinygrad_edu[\w.]*"><code>([^<]*)</code></a>', html_of(site, place)))


def test_tables_of_functions_link_to_each(site):
    assert {name for file in functions_page.files() for name in file.__all__} <= linked(site, "functions")
    assert {name for entry in LEDGER for name in differences_page.names(entry)} <= linked(site, "differences")
    methods = {text.partition("(")[0] for text in linked(site, "reference/engine/tensor")}
    assert {f"t.{name}" for name in METHODS if name in tg.__all__} <= methods


def test_the_index_lists_all_names(site):
    html = html_of(site, "reference")
    assert {name.rpartition(".")[2] for name in PAGES} <= linked(site, "reference")
    assert all(f">{name}</code></a>" in html for name in core.__all__)
    assert all(f"<code>{namespace}</code>" in html for namespace in reference.NAMESPACES)
    rooms = {f"tinygrad_edu.{name}" for name in ("data", "nn", "optim", "parallel", "tape", "testing", "training")}
    assert rooms <= set(reference.NAMESPACES)


def test_pages_and_lessons_offer_their_notebooks(site):
    for source, place in notebooks.PLACES.items():
        page = places()[Path(source)].removesuffix("index.md").removesuffix(".md")
        links = Names((site / page / "index.html").read_text(encoding="utf-8")).links
        (file,) = [link for link in links if link.endswith(".ipynb") and ":" not in link]
        assert (site / page / file).resolve() == site.resolve() / "notebooks" / f"{place}.ipynb"
        owner = repository().removeprefix("https://github.com/")
        address = f"https://colab.research.google.com/github/{owner}/blob/notebooks/{place}.ipynb"
        assert [link for link in links if "colab" in link] == [address] * bool(owner)
    plain = Names((site / "core" / "index.html").read_text(encoding="utf-8")).links
    assert not any(link.endswith(".ipynb") for link in plain)


def test_an_op_is_shown_with_its_vjps(site):
    page = (site / "reference/core/arithmetic/index.html").read_text(encoding="utf-8")
    assert "vjps" in re.sub("<[^>]+>", "", page.partition("multiply")[2])
