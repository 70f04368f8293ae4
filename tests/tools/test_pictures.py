"""Pictures and tables of the documentation: all have a source, and the check finds planted changes."""

import re
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from models import char_gpt, char_lstm, diffusion, mnist_lenet, mnist_vae, pinn, siamese, vit
from models.shared import report, results
from models.shared.text import load
from models.shared.training import HISTORY
from tinygrad_edu.lessons.lesson import LESSONS
from tinygrad_edu.training import Epoch
from tools.pictures import __main__ as command
from tools.pictures import catalog, content, numbers, sources, tables
from tools.pictures.catalog import PICTURES, Picture, place
from tools.pictures.compare import differences
from tools.pictures.sources import SOURCES, Source, measure
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


def drawn(
    path: Path, label="error", heights=(1.0, 2.0, 3.0), color="tab:blue", image=None, power=1.0, style="-", width=1.5
):
    """Draw a figure with a bar chart, a curve on a logarithmic axis and an image, as the command does."""

    def draw(path):
        figure = Figure(figsize=(6, 2.5), layout="constrained")
        bars, curve, pixels = figure.subplots(1, 3)
        bars.bar(range(len(heights)), heights, color=color)
        bars.set(xlabel=label, ylim=(0, 4))
        x = np.linspace(1, 2)
        curve.semilogy(x, x**power, style, linewidth=width, label="found")
        curve.set_ylim(0.5, 20)
        curve.annotate("here", (1.5, 2), xytext=(5, 5), textcoords="offset points")
        curve.legend()
        pixels.imshow(np.eye(8) if image is None else image, vmin=0, vmax=1)
        figure.savefig(path, dpi=100)

    command.make(Picture(draw), path)
    return path


CHANGED = {
    "a label": {"label": "errors"},
    "a missing bar": {"heights": (1.0, 2.0)},
    "a longer bar": {"heights": (1.0, 2.0, 3.2)},
    "a color": {"color": "tab:orange"},
    "a curve": {"power": 1.3},
    "a dashed curve": {"style": "--"},
    "a thicker curve": {"width": 3.0},
    "an image": {"image": np.eye(8)[::-1]},
}


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory):
    return drawn(tmp_path_factory.mktemp("pictures") / "unchanged.png")


@pytest.mark.thorough
def test_the_same_picture_has_no_differences(unchanged, tmp_path):
    assert list(differences(unchanged, drawn(tmp_path / "same.png"), catalog.PIXELS)) == []


@pytest.mark.thorough
@pytest.mark.parametrize("changes", CHANGED.values(), ids=list(CHANGED))
def test_the_check_finds(changes, unchanged, tmp_path):
    assert list(differences(unchanged, drawn(tmp_path / "new.png", **changes), catalog.PIXELS)) != []


@pytest.mark.thorough
def test_small_differences_of_numbers_and_fonts_are_none(tmp_path, monkeypatch):
    old = drawn(tmp_path / "old.png")
    near = drawn(tmp_path / "near.png", heights=(1.001, 2.0, 3.0), power=1.001)
    assert list(differences(old, near, catalog.PIXELS)) == []
    monkeypatch.setitem(matplotlib.rcParams, "text.hinting", "none")
    assert list(differences(old, drawn(tmp_path / "font.png"), catalog.PIXELS)) == []


@pytest.mark.thorough
def test_the_check_finds_pixels_that_the_content_does_not_show(tmp_path):
    old, new = drawn(tmp_path / "old.png"), drawn(tmp_path / "new.png")
    painted = Image.open(new).convert("RGB")
    painted.paste("black", (10, 10, 60, 40))
    painted.save(new)
    content.attach(new, content.read(old))
    assert any("brightness" in line for line in differences(old, new, catalog.PIXELS))


@pytest.mark.thorough
def test_the_check_finds_a_picture_that_was_not_made_by_the_command(tmp_path):
    new = drawn(tmp_path / "new.png")
    assert list(differences(tmp_path / "none.png", new, 0.1)) == ["the picture is missing"]
    other = tmp_path / "other.png"
    Image.open(new).convert("RGB").save(other)
    assert any("was not drawn by this command" in line for line in differences(other, new, 0.1))


def test_the_check_finds_a_changed_frame(tmp_path):
    for name, shades in {"old": (0, 100, 200), "new": (0, 120, 200), "short": (0, 100)}.items():
        shown = [Image.new("L", (48, 48), shade) for shade in shades]
        shown[0].save(tmp_path / f"{name}.gif", save_all=True, append_images=shown[1:])
    old = tmp_path / "old.gif"
    assert list(differences(old, old, 0.0)) == []
    assert any("frame 2" in line for line in differences(old, tmp_path / "new.gif", 0.02))
    assert list(differences(old, tmp_path / "short.gif", 0.02)) == ["3 frames, now 2"]


@pytest.mark.thorough
def test_the_command_reports_what_differs_and_remakes_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(command, "place", lambda name: tmp_path / name)
    assert command.main(["tree", "--check"]) == 1
    assert "tree.png: the picture is missing" in capsys.readouterr().err
    assert command.main(["tree"]) == 0
    assert command.main(["tree", "--check"]) == 0
    with pytest.raises(SystemExit):
        command.main(["no_such_picture"])
    assert "no_such_picture is no picture or table" in capsys.readouterr().err
    monkeypatch.setattr(command, "FOLDER", tmp_path)
    with pytest.raises(SystemExit):
        command.main(["sweeps", "--check"])
    assert "docs/numbers/sweeps.csv does not exist; add --measure." in capsys.readouterr().err


def test_a_changed_number_or_a_changed_cell_makes_a_table_stale(monkeypatch):
    text = (ROOT / "docs" / "sweeps.md").read_text("utf-8")
    assert filled("sweeps", text.replace("99.69", "99.96"), TABLES["sweeps"].render()) == text
    with pytest.raises(ValueError, match="the page has no lines <!-- table: other -->"):
        filled("other", text, "")
    rows = tables.sweep_rows()
    rows[0].trials[0].value["test_accuracy"] = 0.5
    monkeypatch.setattr(tables, "sweep_rows", lambda: rows)
    assert list(command.changes("sweeps")) == ["the table in docs/sweeps.md is not the table of its numbers"]


def test_a_measurement_runs_each_command_once_and_records_it(tmp_path, monkeypatch):
    written = {}

    def collect(path, printed):
        written[path.name] = printed

    monkeypatch.setattr(numbers, "RECORD", tmp_path / "measured.csv")
    monkeypatch.setattr("tools.pictures.sources.SOURCES", {
        "a.csv": Source("timeit --help", collect), "b.csv": Source("timeit --help", collect),
    })  # fmt: skip
    measure(["b.csv", "a.csv"])
    assert written["a.csv"] == written["b.csv"]
    assert written["a.csv"]
    assert [(row["file"], row["command"]) for row in numbers.recorded()] == [
        ("a.csv", "timeit --help"), ("b.csv", "timeit --help"),
    ]  # fmt: skip
    assert numbers.recorded()[0]["commit"] == numbers.commit()


RUNS = {
    "char_gpt": (partial(char_gpt.CharGPT, len(load().alphabet)), ["char_gpt_attention.png", "char_gpt_curve.png"]),
    "char_lstm": (partial(char_lstm.CharLSTM, len(load().alphabet)), ["char_lstm_cell.png", "char_lstm_curve.png"]),
    "diffusion": (diffusion.Velocity, ["diffusion.png", "diffusion.gif", "diffusion_becoming.png"]),
    "mnist_lenet": (mnist_lenet.build, ["lenet_curves.png", "lenet_mistakes.png", "predict.png"]),
    "mnist_vae": (mnist_vae.Autoencoder, ["vae.png", "vae_curves.png"]),
    "pinn": (pinn.Oscillation, ["pinn.png"]),
    sources.VIT: (vit.VisionTransformer, ["vit_attention.png"]),
    "siamese": (siamese.Embedding, ["siamese.png"]),
}  # fmt: skip
METRICS = {"train_accuracy": 0.5, "test_accuracy": 0.5, "test_nats": 2.0, "greatest_error": 0.1, "held_out_bits": 3.0}


@pytest.mark.slow
@pytest.mark.parametrize("program", RUNS)
def test_pictures_are_drawn_from_the_numbers_of_a_run(program, tmp_path, monkeypatch):
    build, names = RUNS[program]
    for module in (sources, catalog, numbers):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(sources, "ROOT", tmp_path)
    model, history = build(np.random.default_rng(0)), [Epoch(k, 5.0 / k, METRICS, 0.1, 1, 1.0) for k in (1, 2)]

    def write(folder):
        report.write_weights(folder / results.WEIGHTS, model.state_dict())
        report.write_history(folder / HISTORY, history)

    summary = {"three_gram_bits": 2.5, "test_calibration": [[None, None, 0.0], [0.8, 0.7, 100.0]]}
    results.save(tmp_path / "runs" / program, write, summary)
    for file in {file for name in names for file in PICTURES[name].numbers}:
        SOURCES[file].collect(tmp_path / file, "")
    for name in names:
        command.make(PICTURES[name], tmp_path / name)
        assert list(differences(tmp_path / name, tmp_path / name, 0.0)) == []
        assert (tmp_path / name).stat().st_size > 1000
        assert name.endswith(".gif") or name.startswith("diffusion") or content.read(tmp_path / name)
