"""Notebooks of the main pages and the lessons: ``python -m tools.notebooks [FOLDER]`` writes them.

A notebook is its page: text with pictures inside, absolute links, and a cell for each Python block. The notebook of a
lesson has the exercise in a cell, and a cell that checks it. Equal pages give equal bytes.
"""

import os
import re
import sys
from base64 import b64encode
from collections.abc import Iterator
from doctest import DocTestParser
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent
from typing import Any

from models.shared.groups import missing_group
from tinygrad_edu.lessons.lesson import FINALE, LESSONS, Lesson
from tinygrad_edu.shared.display.command_line import Parser
from tools.project import ROOT, pyproject, repository, site, version
from tools.site import pages

PAGES = {
    "README.md": "start", "docs/engine.md": "engine", "docs/tape.md": "tape",
    "docs/compose_your_own_model.md": "compose_your_own_model",
    "docs/write_your_own_optimizer.md": "write_your_own_optimizer",
    "docs/larger_than_memory.md": "larger_than_memory", "docs/testing_gradients.md": "testing_gradients",
    "docs/your_own_op.md": "your_own_op",
    **{f"docs/why/{path.name}": f"why/{path.stem}" for path in sorted((ROOT / "docs" / "why").glob("*.md"))},
}  # fmt: skip
TAUGHT = {f"tinygrad_edu/lessons/{lesson.name}/page.md": lesson for lesson in (*LESSONS, FINALE)}
PLACES = PAGES | {source: f"lessons/{lesson.name}" for source, lesson in TAUGHT.items()}
BRANCH = "notebooks"  # Colab opens files of a repository: the workflow of the site pushes the notebooks to this branch
INSTALL = """\
from importlib.util import find_spec

if find_spec("tinygrad_edu") is None:  # otherwise it is installed, for example from a checkout
    %pip install -q "{name}[testing,scipy,draw] @ git+{repository}@v{version}"
"""
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CHECK = re.compile(r"^```\npython -m tinygrad_edu\.lessons check .*?^```$", re.MULTILINE | re.DOTALL)
_COMPARE = re.compile(r"^```\npython -m tinygrad_edu\.lessons compare (\w+)\n```$", re.MULTILINE)
_MAIN = '\nif __name__ == "__main__":\n'  # a cell would run this part of an exercise


def write(folder: Path) -> list[Path]:
    """Write all notebooks into a folder, and return their paths."""
    import nbformat

    paths = []
    for source, place in PLACES.items():
        path = folder / f"{place}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(nbformat.writes(notebook(source)) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


def notebook(source: str) -> Any:
    """Return the notebook of a page, given by its path in the checkout."""
    from nbformat import validate
    from nbformat.v4 import new_notebook

    cells = [*_install(), *(_lesson(source, TAUGHT[source]) if source in TAUGHT else _page(source, _text(source)))]
    for k, cell in enumerate(cells):
        cell.id = f"cell-{k}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    made = new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})
    validate(made)
    return made


def links(source: str) -> str:
    """Return the line of a page of the site that offers its notebook; "" if it has none."""
    if source not in PLACES:
        return ""
    here = pages.places()[Path(source)]
    file = os.path.relpath(f"notebooks/{PLACES[source]}.ipynb", Path(here).parent)
    download = f"[Download this page as a notebook]({file}){{ download }}"
    if not repository():
        return f"{download}.\n"
    owner = repository().removeprefix("https://github.com/")
    colab = f"https://colab.research.google.com/github/{owner}/blob/{BRANCH}/{PLACES[source]}.ipynb"
    return f"{download}, or [open it in Colab]({colab}).\n"


def _install() -> Iterator[Any]:
    from nbformat.v4 import new_code_cell

    if repository():
        name = pyproject()["project"]["name"]
        yield new_code_cell(INSTALL.format(name=name, repository=repository(), version=version()).strip())


def _page(source: str, text: str) -> Iterator[Any]:
    """Yield the cells of a page. A block of printed output is the output of the cell before it."""
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

    code = None
    for language, part in _parts(text):
        if language == "output" and code is not None:
            code.outputs = [new_output("stream", name="stdout", text=part)]
        elif language == "python" and part.startswith(">>>"):
            yield from _session(part)
        elif language == "python":
            yield (code := new_code_cell(part.strip()))
        elif part.strip():
            yield new_markdown_cell(_standalone(part.strip(), source))


def _session(text: str) -> Iterator[Any]:
    """Yield the cells of an interpreter session, one for each output. A cell that shows an error is tagged."""
    from nbformat.v4 import new_code_cell, new_output

    lines = ""
    examples = DocTestParser().get_examples(text)
    for k, example in enumerate(examples):
        lines += example.source
        if example.want or k == len(examples) - 1:
            cell = new_code_cell(lines.strip())
            if example.exc_msg:
                name, _, message = example.exc_msg.removeprefix("tinygrad_edu.errors.").strip().partition(": ")
                cell.metadata.tags = ["raises-exception"]
                cell.outputs = [new_output("error", ename=name, evalue=message, traceback=[f"{name}: {message}"])]
            elif example.want:
                cell.outputs = [new_output("stream", name="stdout", text=example.want)]
            yield cell
            lines = ""


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield Python blocks and printed output with their languages, and the text between them with ""."""
    end = 0
    for block in _BLOCK.finditer(text):
        if block[1] in ("python", "output"):
            yield "", text[end : block.start()]
            yield block[1], block[2]
            end = block.end()
    yield "", text[end:]


def _lesson(source: str, lesson: Lesson) -> Iterator[Any]:
    """Yield the cells of a lesson, with the exercise and its check instead of the command."""
    from nbformat.v4 import new_code_cell, new_markdown_cell

    yield new_code_cell('from tinygrad_edu import lessons\n\nlessons.start("my_engine")')
    before, after = _CHECK.split(_text(source))
    exercise, _, main = lesson.exercise.partition(_MAIN)
    word = lesson.word if lesson.word.isdecimal() else f'"{lesson.word}"'
    yield from _page(source, before)
    # An open hole raises if the exercise calls it in a line at module level.
    yield new_code_cell(exercise.strip(), metadata={"tags": ["exercise", "raises-exception"]})
    yield new_markdown_cell(
        f"Fill the holes in the cell above, and run it and the next cell. `lessons.hint({word})` shows a hint, "
        f"`lessons.solution({word})` the solution, and `lessons.status()` your progress."
    )
    yield new_code_cell(f"lessons.check({word})", metadata={"tags": ["check"]})
    code = f"from {lesson.name} import *  # your code if it has passed, and the solution otherwise\n\n{dedent(main)}"
    yield new_code_cell(code.strip())
    yield from _page(source, _COMPARE.sub(f"```python\nlessons.compare({word})\n```", after))


def _standalone(text: str, source: str) -> str:
    """Return Markdown with absolute links, and with the pictures inside as data."""
    data: dict[str, str] = {}

    def link(found: re.Match[str]) -> str:
        picture, label, target, anchor = found.groups(default="")
        path = Path(os.path.normpath(Path(source).parent / target))
        if picture:
            data[path.name] = b64encode((ROOT / path).read_bytes()).decode()
            return f"![{label}][{path.name}]"
        if ":" in target:
            return found[0]
        address = _address(path)
        return f"[{label}]({address}{anchor})" if address else label

    parts = pages.FENCE.split(text)  # every second part is a code block
    linked = "".join(part if k % 2 else pages.LINK.sub(link, part) for k, part in enumerate(parts))
    return linked + "".join(f"\n\n[{name}]: data:image/png;base64,{content}" for name, content in data.items())


def _address(path: Path) -> str:
    """Return the address of the page of a file, or of the file in the repository; "" before it is public."""
    if not repository():
        return ""
    place = pages.places().get(path)
    if place is None or not place.endswith(".md"):
        return f"{repository()}/{'tree' if (ROOT / path).is_dir() else 'blob'}/main/{path.as_posix()}"
    return site() + re.sub(r"(^|/)index/$", r"\1", f"{place.removesuffix('.md')}/")


def _text(source: str) -> str:
    return (ROOT / source).read_text(encoding="utf-8")


def main() -> str | None:
    """Run the command. Return an error message, or None."""
    parser = Parser("python -m tools.notebooks", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=Path("notebooks"), metavar="FOLDER")
    folder = parser.parse_args().folder
    if not find_spec("nbformat"):
        return str(missing_group("the notebooks require nbformat", "notebooks"))
    print(f"wrote {len(write(folder))} notebooks to {folder}")
    return None


if __name__ == "__main__":
    sys.exit(main())
