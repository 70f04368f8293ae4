"""The notebooks: run in a new kernel without an error, lessons as handed out and with their solutions."""

import json
import re
from base64 import b64decode
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker

import pytest

import tinygrad_edu as tg
from tinygrad_edu.lessons.lesson import Lesson
from tools import notebooks
from tools.project import ROOT

pytestmark = pytest.mark.notebooks


@pytest.fixture(autouse=True)
def patience(monkeypatch):
    """Let Hypothesis in the kernels ignore how fast it draws, as it does where this variable is set."""
    monkeypatch.setenv("CI", "true")


def run(made, folder):
    """Run a notebook in a new kernel, in a folder; an error in a cell raises."""
    from nbclient import NotebookClient

    NotebookClient(made, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
    return made


def tagged(made, tag):
    (cell,) = [cell for cell in made.cells if tag in cell.metadata.get("tags", ())]
    return cell


def printed(cell):
    """Return the printed outputs of a cell, its value and its error as text."""
    texts = []
    for output in cell.outputs:
        if output.output_type == "error":
            texts.append(f"{output.ename}: {output.evalue}")
        elif output.output_type == "execute_result":
            texts.append(output.data["text/plain"])
        elif output.get("name") == "stdout":
            texts.append(output.text)
    return "".join(texts).strip() + "\n"


def html(cell):
    return "".join(output.data.get("text/html", "") for output in cell.outputs if "data" in output)


@pytest.mark.parametrize("source", notebooks.PAGES)
def test_a_page_runs_and_prints_its_outputs(source, tmp_path):
    promised, made = notebooks.notebook(source), run(notebooks.notebook(source), tmp_path)
    for cell, promise in zip(made.cells, promised.cells, strict=True):
        if promise.get("outputs"):
            found, wanted = printed(cell), printed(promise)
            assert OutputChecker().check_output(wanted, found, ELLIPSIS | NORMALIZE_WHITESPACE), (wanted, found)


@pytest.mark.parametrize("source", notebooks.TAUGHT)
def test_a_lesson_as_handed_out_names_a_hole_and_runs_to_the_end(source, tmp_path):
    made, lesson = run(notebooks.notebook(source), tmp_path), notebooks.TAUGHT[source]
    errors = [output.ename for output in tagged(made, "exercise").outputs if output.output_type == "error"]
    assert errors in ([], ["NotImplementedError"])
    out = printed(tagged(made, "check"))
    assert "WRONG" in out
    assert any(
        f"hole {hole} is still open" in out or f"A hint on {hole}: lessons.hint(" in out for hole in lesson.pieces
    )
    assert not any(
        "passed" in state for state in json.loads((tmp_path / "my_engine/progress.json").read_text()).values()
    )


@pytest.mark.parametrize("source", notebooks.TAUGHT)
def test_a_lesson_passes_with_its_solution(source, tmp_path):
    made, lesson = notebooks.notebook(source), notebooks.TAUGHT[source]
    cell = tagged(made, "exercise")
    assert cell.source in Lesson.exercise.fget(lesson)
    cell.source = lesson.solution.partition(notebooks._MAIN)[0]
    cell.metadata.tags = ["exercise"]  # without permission to raise
    assert f"All {len(lesson.cases)} cases pass." in printed(tagged(run(made, tmp_path), "check"))
    progress = json.loads((tmp_path / "my_engine/progress.json").read_text())
    assert "passed" in progress[lesson.name]


def test_variables_have_their_names_in_a_notebook(tmp_path):
    from nbformat.v4 import new_code_cell, new_notebook

    cells = [
        "import tinygrad_edu as tg\nfrom tinygrad_edu import tape\nx = tg.Tensor([1.0, 2.0], requires_grad=True)\nx",
        "loss = (x * x).sum()\nloss",
        "print(tape.of(loss, locals()).names.values())\ntape.draw(loss, names=locals())",
        "tape.page(loss, names=locals())",
    ]
    made = run(new_notebook(cells=[new_code_cell(cell) for cell in cells]), tmp_path)
    assert "['x', 'loss']" in printed(made.cells[2])
    assert "<svg" in html(made.cells[2])
    assert "<iframe" in html(made.cells[3])


def test_equal_pages_give_equal_bytes_and_a_notebook_stands_alone(tmp_path):
    first, second = (notebooks.write(tmp_path / name) for name in ("first", "second"))
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    for path in first:
        content = json.loads(path.read_text(encoding="utf-8"))
        assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
        text = "".join("".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "markdown")
        for address in re.findall(r"\]\(([^)\s]+)\)", pages_text(text)):
            assert address.startswith(("https://", "#")), (path, address)
        for label, data in re.findall(r"^\[([^\]]+)\]: data:image/png;base64,(\S+)$", text, re.MULTILINE):
            assert f"][{label}]" in text
            assert b64decode(data).startswith(b"\x89PNG")


def pages_text(text):
    """Return Markdown without its code blocks and code spans."""
    return re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)


def test_before_the_repository_is_public_links_are_plain_text_and_no_address_is_named(monkeypatch):
    monkeypatch.setattr(notebooks, "repository", lambda: "")
    text = "\n".join(cell.source for cell in notebooks.notebook("docs/tape.md").cells)
    assert "the engine](" not in text
    assert "git+" not in text
    assert "Colab" not in notebooks.links("docs/tape.md")


def test_links_lead_to_the_site_or_the_repository(monkeypatch):
    def repository():
        return "https://github.com/someone/something"

    def site():
        return "https://someone.github.io/something/"

    monkeypatch.setattr(notebooks, "repository", repository)
    monkeypatch.setattr(notebooks, "site", site)
    assert f'@ git+{repository()}@v{tg.__version__}"' in notebooks.notebook("docs/tape.md").cells[0].source
    assert "colab.research.google.com/github/someone/something/" in notebooks.links("docs/tape.md")
    text = "\n".join(cell.source for cell in notebooks.notebook("docs/tape.md").cells)
    assert f"]({site()}engine/)" in text
    assert f"]({site()}engine/#where-did-the-nan-come-from)" in text
    text = "\n".join(cell.source for cell in notebooks.notebook("README.md").cells)
    assert f"]({site()}lessons/)" in text
    assert f"({repository()}/" in text or f"]({site()}core/)" in text
    assert all((ROOT / source).exists() for source in notebooks.PLACES)
