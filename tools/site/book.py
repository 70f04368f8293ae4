"""The book of the core on the site: each line has an anchor, and each name of the core is a link to its definition."""

import ast
from collections.abc import Iterator
from functools import cache
from html import escape
from pathlib import Path

from pygments.lexers import PythonLexer
from pygments.token import STANDARD_TYPES

from tinygrad_edu import core
from tinygrad_edu.core_copy import reading_order
from tools import core_page
from tools.core_page import Part
from tools.site import demos

PACKAGE = "tinygrad_edu.core"
SCOPES = ast.FunctionDef | ast.Lambda | ast.GeneratorExp | ast.ListComp | ast.SetComp | ast.DictComp
Place = tuple[int, int]  # line and column, both from 1
Anchors = dict[str, str]  # by name


def page() -> str:
    """Return the page in Markdown, with HTML for the code."""
    return core_page.introduction() + "".join(map(_chapter, reading_order()))


def index() -> str:
    """Return the public names of the core with links to their definitions, for the index of the reference."""
    places = {name: place for anchors in _definitions().values() for name, place in anchors.items()}
    names = (f'<a href="../core/#{places[name]}"><code>{name}</code></a>' for name in core.__all__)
    return f"\n## The core\n\n`{PACKAGE}`: a small framework, whole. Its definitions: {', '.join(names)}.\n"


def _chapter(file: Path) -> str:
    lines = _highlighted(file)
    parts = "".join(_section(file, part, lines) for part in core_page.parts(file))
    return f"\n## {core_page.title(file)} {{#{anchor(file)}}}\n{parts}"


def anchor(file: Path) -> str:
    """Return the anchor of a file. Underscores would be emphasis in Markdown."""
    return file.stem.strip("_")


def _section(file: Path, part: Part, lines: list[str]) -> str:
    numbers = range(part.first, part.first + len("\n".join(part.lines).rstrip().split("\n")))
    code = "\n".join(f'<span id="{file.stem}-{n}">{lines[n - 1] or " "}</span>' for n in numbers)
    note = f'<div class="note" markdown>\n{core_page.linked(part.note)}\n</div>\n' if part.note else ""
    block = f'<div class="highlight"><pre><code>{code}</code></pre></div>\n'
    return f'\n<div class="part" markdown>\n{note}{block}{demos.frame(f"{file.stem}.{part.name}")}</div>\n'


def _highlighted(file: Path) -> list[str]:
    """Return the lines of a file in HTML: with the classes of Pygments, and with links."""
    source, links = file.read_text(encoding="utf-8"), dict(_links(file))
    out, line, column = "", 1, 1
    for kind, text in PythonLexer(stripnl=False).get_tokens(source):
        for k, piece in enumerate(text.split("\n")):
            if k:
                out, line, column = f"{out}\n", line + 1, 1
            html = f'<span class="{STANDARD_TYPES.get(kind, "")}">{escape(piece)}</span>' if piece else ""
            target = links.get((line, column))
            out += f'<a href="#{target}">{html}</a>' if target and html else html
            column += len(piece)
    return out.split("\n")


@cache
def _definitions() -> dict[str, Anchors]:
    """Return the anchor of each definition of the core, by file and name; methods as ``Class.method``."""
    found = {}
    for file in reading_order():
        body = ast.parse(file.read_text(encoding="utf-8")).body
        assigned = [(node, node.targets[0]) for node in body if isinstance(node, ast.Assign)]
        annotated = [(node, node.target) for node in body if isinstance(node, ast.AnnAssign)]
        names = {name.id: node.lineno for node, name in (*assigned, *annotated) if isinstance(name, ast.Name)}
        names |= core_page.definitions(file)
        found[file.stem] = {name: f"{file.stem}-{line}" for name, line in names.items()}
    return found


def _links(file: Path) -> Iterator[tuple[Place, str]]:
    """Yield the place and the anchor of each use of a name of the core."""
    tree, every = ast.parse(file.read_text(encoding="utf-8")), _definitions()
    names = dict(every[file.stem])
    modules = {"core": {name: place for anchors in every.values() for name, place in anchors.items()}}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            stem = (node.module or "").rpartition(".")[2]
            for alias in node.names:
                if alias.name in every and stem == "core":
                    modules[alias.name] = every[alias.name]
                elif alias.name in every[stem]:
                    names[alias.name] = every[stem][alias.name]
    yield from _uses(tree, names, modules)


def _uses(node: ast.AST, names: Anchors, modules: dict[str, Anchors], of: str = "") -> Iterator[tuple[Place, str]]:
    """Yield the uses in a part of a program. `of` is the class; a local name hides one of the core."""
    if isinstance(node, ast.Name) and node.id in names and isinstance(node.ctx, ast.Load):
        yield (node.lineno, node.col_offset + 1), names[node.id]
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        owner, name = node.value.id, node.attr
        target = names.get(f"{of}.{name}") if owner == "self" else modules.get(owner, {}).get(name)
        if target and node.end_col_offset:
            yield (node.lineno, node.end_col_offset - len(name) + 1), target
    of = node.name if isinstance(node, ast.ClassDef) else of
    hidden = _locals(node)
    visible = {name: place for name, place in names.items() if name not in hidden}
    for child in ast.iter_child_nodes(node):
        yield from _uses(child, visible, modules, of)


def _locals(node: ast.AST) -> set[str]:
    """Return the names that a function, a lambda or a comprehension binds."""
    if not isinstance(node, SCOPES):
        return set()
    bound = {part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}
    return bound | {part.arg for part in ast.walk(node) if isinstance(part, ast.arg)}
