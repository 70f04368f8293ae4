"""Pictures and tables of the documentation: all have a source, and the check finds planted changes."""

import re

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from tinygrad_edu.lessons.lesson import LESSONS
from tools.pictures import __main__ as command
from tools.pictures import catalog, numbers, tables
from tools.pictures.catalog import PICTURES, Picture, place
from tools.pictures.compare import differences
from tools.pictures.sources import SOURCES
from tools.pictures.tables import TABLES, filled

ROOT = numbers.ROOT
PAGES = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *(ROOT / "docs").rglob("*.md"),
         *(ROOT / "tinygrad_edu" / "lessons").rglob("*.md")]  # fmt: skip
SHOWN = re.compile(r"!\[[^\]]*\]\(([^)]+)\)")


def test_each_picture_has_a_row_and_each_row_a_picture_in_a_page():
    files = [*(ROOT / "docs" / "images").iterdir(), *(path for lesson in LESSONS for path in lesson.pictures)]
    assert sorted(path.name for path in files) == sorted(PICTURES)
    assert all(place(name).exists() for name in PICTURES)
    shown = {(page.parent / target).resolve() for page in PAGES for target in SHOWN.findall(page.read_text("utf-8"))}
    hidden = {place("tape_dark.png")}  # the site shows it in its dark scheme
    assert {place(name).resolve() for name in PICTURES} - hidden == shown - hidden


def test_each_table_is_in_its_page_and_each_marker_has_a_table():
    marked = {(name, page.relative_to(ROOT).as_posix()) for page in PAGES
              for name in re.findall(r"^<!-- table: (\w+) -->$", page.read_text("utf-8"), re.MULTILINE)}  # fmt: skip
    assert marked == {(name, table.page) for name, table in TABLES.items()}


MEASURED = re.compile(r"[+-]?\d[\d.,]* ?(%|ms|us|s|MB|of \d+)|[+-]?\d+\.\d")
COPIED = {"docs/models/predict.md", "docs/speed.md"}  # the commands that they name print the rows


def test_each_table_of_measured_numbers_is_made_by_the_command():
    for page in PAGES:
        text, name = page.read_text("utf-8"), page.relative_to(ROOT).as_posix()
        for table in re.finditer(r"(?:^\|.*\n)+", text, re.MULTILINE):
            cells = [cell.strip() for line in table[0].splitlines()[2:] for cell in line.strip("|").split("|")[1:]]
            measured = sum(MEASURED.match(cell) is not None for cell in cells) >= 3
            made = re.search(r"<!-- table: \w+ -->\n\n$", text[: table.start()])
            assert made or not measured or name in COPIED, f"{name}: {table[0]}"


def test_each_file_of_numbers_is_used_and_has_a_source_and_a_record():
    files = {path.name for path in numbers.FOLDER.iterdir()} - {numbers.RECORD.name}
    used = {file for row in (*PICTURES.values(), *TABLES.values()) for file in row.numbers}
    assert used == set(SOURCES)
    assert files == {row["file"] for row in numbers.recorded()}
    assert used == files
    assert all(re.fullmatch(r"[0-9a-f]{7,40}\+?", row["commit"]) for row in numbers.recorded())
    assert all(row["command"] and row["date"] for row in numbers.recorded())


@pytest.mark.parametrize("name", TABLES)
def test_tables_are_current(name):
    assert list(command.changes(name)) == []


def drawn(path, label="error", color="tab:blue", power=1.0, style="-", image=None):
    """Draw a figure with a curve on a logarithmic axis and an image, as the command does."""

    def draw(path):
        figure = Figure(figsize=(4, 2.5), layout="constrained")
        curve, pixels = figure.subplots(1, 2)
        x = np.linspace(1, 2)
        curve.semilogy(x, x**power, style, color=color)
        curve.set(xlabel=label, ylim=(0.5, 20))
        pixels.imshow(np.eye(8) if image is None else image, vmin=0, vmax=1)
        figure.savefig(path, dpi=100)

    command.make(Picture(draw), path)
    return path


CHANGED = [{"label": "errors"}, {"color": "tab:orange"}, {"power": 1.3}, {"style": "--"}, {"image": np.eye(8)[::-1]}]


@pytest.mark.thorough
def test_the_check_finds_each_change(tmp_path):
    old = drawn(tmp_path / "old.png")
    assert list(differences(old, drawn(tmp_path / "same.png"), catalog.PIXELS)) == []
    for changes in CHANGED:
        assert list(differences(old, drawn(tmp_path / "new.png", **changes), catalog.PIXELS)) != [], changes


def test_the_check_finds_a_changed_frame(tmp_path):
    for name, shades in {"old": (0, 100, 200), "new": (0, 120, 200), "short": (0, 100)}.items():
        shown = [Image.new("L", (48, 48), shade) for shade in shades]
        shown[0].save(tmp_path / f"{name}.gif", save_all=True, append_images=shown[1:])
    old = tmp_path / "old.gif"
    assert list(differences(old, old, 0.0)) == []
    assert any("frame 2" in line for line in differences(old, tmp_path / "new.gif", 0.02))
    assert list(differences(old, tmp_path / "short.gif", 0.02)) == ["3 frames, now 2"]


def test_a_changed_number_or_a_changed_cell_makes_a_table_stale(monkeypatch):
    text = (ROOT / "docs" / "sweeps.md").read_text("utf-8")
    assert filled("sweeps", text.replace("99.69", "99.96"), TABLES["sweeps"].render()) == text
    with pytest.raises(ValueError, match="the page has no lines <!-- table: other -->"):
        filled("other", text, "")
    rows = tables.sweep_rows()
    rows[0].trials[0].value["test_accuracy"] = 0.5
    monkeypatch.setattr(tables, "sweep_rows", lambda: rows)
    assert list(command.changes("sweeps")) == ["the table in docs/sweeps.md is not the table of its numbers"]
