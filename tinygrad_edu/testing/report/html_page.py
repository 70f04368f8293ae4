"""A report as one HTML file: facts, folding entries, tables and code, for phones and dark mode, without requests."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib import resources


def html_page(title: str, facts: Mapping[str, object], parts: Iterable[str]) -> str:
    """Return the page with a title, named facts below it, and parts of HTML."""
    style = resources.files(__package__).joinpath("page.css").read_text("utf-8")
    cells = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(str(value))}</dd></div>" for name, value in facts.items())
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n<link rel="icon" href="data:,">',
            f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>",
            f"<h1>{escape(title)}</h1>\n<dl>{cells}</dl>",
            *parts,
            "</body>\n</html>\n",
        ]
    )


def heading(text: str, level: int = 2) -> str:
    """Return a heading."""
    return f"<h{level}>{escape(text)}</h{level}>"


def entry(status: str, title: str, note: str, parts: Iterable[str], is_open: bool = False) -> str:
    """Return an entry that unfolds: a status in its color, a title, a note, and parts of HTML."""
    label = f'<b class="{escape(status)}">{escape(status)}</b>{escape(title)} <small>{escape(note)}</small>'
    return f'<details{" open" * is_open}><summary>{label}</summary><div class="body">{"".join(parts)}</div></details>'


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table that scrolls by itself if it is wider than the screen."""
    lines = [_row("th", head), *(_row("td", row) for row in rows)]
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def preformatted(text: str) -> str:
    """Return lines of code or of a message; nothing if the text is empty."""
    return f"<pre>{escape(text)}</pre>" if text else ""


def _row(tag: str, cells: Sequence[object]) -> str:
    return "<tr>" + "".join(f"<{tag}>{escape(str(cell))}</{tag}>" for cell in cells) + "</tr>"
