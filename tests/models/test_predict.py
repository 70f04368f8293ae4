"""Digits in image files: found and predicted in many kinds of pictures; one error line per unreadable file."""

import re
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from threadpoolctl import threadpool_limits

import tinygrad_edu as tg
from models import mnist_lenet, predict
from models.shared import pictures, reading, results
from models.shared.handwriting import as_mnist
from models.shared.ink import find
from tinygrad_edu.errors import DataError
from tools.photographs import KINDS, photograph

DIGITS = tg.data.load_embedded()
SEVEN = 0  # index of the first test digit, a 7


@pytest.fixture(autouse=True, scope="module")
def blas_on_one_thread():
    """Set the BLAS to one thread, as in the programs that other tests here start."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return the folder of a short training on all digits."""
    folder = tmp_path_factory.mktemp("run")
    test = {"x_test": DIGITS.x_test[-50:], "y_test": DIGITS.y_test[-50:]}
    np.savez(folder / "mnist.npz", x_train=DIGITS.x_train, y_train=DIGITS.y_train, **test)
    options = ["--epochs", "2", "--views", "0", "--data", str(folder / "mnist.npz"), "--quiet", "--output", str(folder)]
    assert mnist_lenet.main(options) == 0
    return folder


@pytest.fixture(scope="module")
def seven():
    """Return a grey picture of a 7, dark on light, off centre."""
    page = np.full((160, 120), 230, np.uint8)
    page[20:132, 4:116] -= np.asarray(Image.fromarray(DIGITS.x_test[SEVEN]).resize((112, 112))) // 5 * 4
    return Image.fromarray(page)


@pytest.mark.thorough
def test_digits_are_read_however_they_were_photographed(run):
    model, rng, right = reading.load(run), np.random.default_rng(0), []
    for number, effects in enumerate([*KINDS.values()] * 9):
        picture = photograph(DIGITS.x_test[number], effects, rng, (120, 260))
        right.append(reading.read(model, picture).digit == DIGITS.y_test[number])
    assert np.mean(right) >= 0.9


@pytest.mark.thorough
@pytest.mark.parametrize("negative", [False, True])
def test_a_digit_may_fill_its_picture(run, negative):
    model, images, right = reading.load(run), DIGITS.x_test[:40], []
    for image, label in zip(images, DIGITS.y_test, strict=False):
        rows, columns = (np.flatnonzero(image.max(axis=axis) > 50) for axis in (1, 0))
        cut = np.repeat(image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1, None], 3, axis=2)
        right.append(reading.read(model, 255 - cut if negative else cut).digit == label)
    assert np.mean(right) >= 0.8


def files_of(image):
    """Yield a name, a mode and save options of files with the same picture."""
    light = Image.new("L", image.size, 255)
    ink = Image.fromarray(255 - np.asarray(image))
    clear = Image.new("RGBA", image.size, (0, 0, 0, 0))
    yield "grey.png", image, {}
    yield "colour.png", image.convert("RGB"), {}
    yield "palette.png", image.convert("P"), {}
    yield "bits.png", image.convert("1", dither=Image.Dither.NONE), {}
    yield "16bits.png", Image.fromarray(np.asarray(image).astype(np.uint16) * 257), {}
    yield "12of16bits.png", Image.fromarray(np.asarray(image).astype(np.uint16) * 16), {}
    yield "negative.png", ink, {}
    yield "dark_on_nothing.png", Image.merge("RGBA", [Image.new("L", image.size)] * 3 + [ink]), {}
    yield "light_on_nothing.png", Image.merge("RGBA", [light] * 3 + [ink]), {}
    yield "grey_on_nothing.png", Image.merge("LA", [Image.new("L", image.size, 30), ink]), {}
    yield "see_through.png", image.convert("P"), {"transparency": 230}
    yield "framed.png", Image.composite(image.convert("RGBA"), clear, light.crop((0, 0, *image.size))), {}
    yield "photo.jpg", image.convert("RGB"), {"quality": 80}
    yield "photo.JPEG", image, {"progressive": True}
    yield "print.jpg", image.convert("CMYK"), {}
    yield "large.png", image.resize((3600, 4800)), {}
    yield "tiny.png", image.resize((30, 40), Image.Resampling.BOX), {}
    for orientation, back in {3: 180, 6: 90, 8: 270}.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        yield f"exif{orientation}.jpg", image.rotate(back, expand=True), {"exif": exif}


@pytest.mark.thorough
def test_every_kind_of_file_shows_the_same(run, seven, tmp_path):
    model = reading.load(run)
    expected = reading.read(model, np.asarray(seven.convert("RGB")))
    assert expected.digit == DIGITS.y_test[SEVEN] == 7
    for name, image, settings in files_of(seven):
        image.save(tmp_path / name, **settings)
        found = reading.read(model, pictures.read_file(tmp_path / name))
        assert found.digit == 7, name
        difference = np.abs(found.pixels.astype(float) - expected.pixels).mean()
        assert difference < (20 if name in ("bits.png", "tiny.png") else 8), name


@pytest.mark.thorough
def test_the_gradient_is_that_of_the_logit(run, seven):
    found = reading.read(reading.load(run), np.asarray(seven.convert("RGB")))
    model, rng = reading.load(run).astype(np.float64), np.random.default_rng(0)
    image, direction = (
        tg.data.to_float(found.pixels[None]).astype(np.float64),
        rng.normal(size=(1, 1, 28, 28)) * (found.pixels > 0),
    )
    ends = [model(tg.Tensor(image + step * direction))[0, found.digit].item() for step in (1e-6, -1e-6)]
    expected = (ends[0] - ends[1]) / 2e-6
    assert (found.gradient * direction[0, 0]).sum() == pytest.approx(expected, rel=1e-3)
    np.testing.assert_allclose(found.probabilities.sum(), 1, rtol=1e-5)
    assert found.probabilities.argmax() == found.digit


def blank_pictures():
    rng, ramp = np.random.default_rng(0), np.linspace(120, 220, 200)
    shadow = np.where(np.arange(200)[:, None] + np.arange(200) < 180, 230.0, 140.0)
    disc = np.where(np.hypot(*np.mgrid[-100:100, -100:100]) < 30, 20.0, 230.0)
    return {
        "white": np.full((50, 40), 255.0), "black": np.zeros((50, 40)), "one pixel": np.full((1, 1), 7.0),
        "a line of pixels": np.full((1, 500), 9.0), "uneven light": np.tile(ramp, (200, 1)),
        "noise": rng.normal(200, 12, (300, 200)), "a shadow": shadow + rng.normal(0, 3, shadow.shape), "a disc": disc,
    }  # fmt: skip


@pytest.mark.parametrize("name", blank_pictures())
def test_where_there_is_no_ink_none_is_found(name):
    grey = np.clip(blank_pictures()[name], 0, 255).astype(np.uint8)
    with pytest.raises(DataError, match="no digit found in the picture"):
        as_mnist(np.repeat(grey[..., None], 3, axis=2))


def test_what_is_wide_or_far_away_is_no_part_of_the_ink():
    picture = np.full((256, 256, 3), 220, np.uint8)
    picture[:, 200:] = 60  # a table
    picture[60:140, 60:70] = 30  # a digit
    picture[20:24, 150:154] = 30  # a speck
    box = find(picture, 80.0).box
    assert [abs(a - b) <= 2 for part, ends in zip(box, ((60, 140), (60, 70)), strict=True)
            for a, b in zip((part.start, part.stop), ends, strict=True)] == [True] * 4  # fmt: skip


def bomb() -> bytes:
    """Return a PNG of a hundred bytes whose header claims 400 million pixels."""
    header = (20_000).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    content = b"\x89PNG\r\n\x1a\n"
    for name, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 20_001)), (b"IEND", b"")):
        content += len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
    return content


@pytest.mark.thorough
def test_what_cannot_be_read_is_one_line_each_and_the_others_are_read(run, seven, tmp_path, capsys):
    folder, output = tmp_path / "in", tmp_path / "out"
    (folder / "empty").mkdir(parents=True)
    seven.save(folder / "a.png")
    seven.save(folder / "z.jpg")
    whole, text = (folder / "a.png").read_bytes(), PngImagePlugin.PngInfo()
    text.add_text("a", "b" * 100_000_000, zip=True)
    seven.save(folder / "text.png", pnginfo=text)
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "bomb.png").write_bytes(bomb())
    (folder / "page.png").write_bytes(b"<html>")
    (folder / "nothing.png").touch()
    (folder / "notes.txt").write_text("not looked at")
    Image.new("L", (60, 80), 200).save(folder / "blank.png")
    seven.save(folder / "b.gif")
    others = [folder / "b.gif", folder / "empty", folder / "missing.png"]
    assert predict.main([str(run), "--output", str(output), str(folder), *map(str, others)]) == 1
    out, err = capsys.readouterr()
    reasons = {
        "blank.png": "no digit found in the picture", "bomb.png": "the image has more pixels than Pillow's limit",
        "cut.png": "the image is damaged: ", "nothing.png": "the file is empty", "page.png": "not a PNG or JPEG image",
        "text.png": "the image is damaged: ", "b.gif": "not a PNG or JPEG image",
        "empty": "the folder has no PNG or JPEG images", "missing.png": "No such file or directory",
    }  # fmt: skip
    lines = err.splitlines()
    assert len(lines) == len(reasons)
    for line, (name, reason) in zip(lines, reasons.items(), strict=True):
        assert line.startswith(f"models.predict: {folder / name}: {reason}")
    read = out.splitlines()
    assert [line.split(": ")[:2] for line in read] == [[f"{folder / name}", "7 (0"] for name in ("a.png", "z.jpg")]
    for line in read:
        assert [int(digit) for digit in re.findall(r"(\d): ", line.partition("(")[2])] == [*range(10)]
        with Image.open(line.rpartition(" -> ")[2]) as drawn:
            assert drawn.width > 800
            assert np.asarray(drawn.convert("L")).std() > 30
    assert sorted(path.name for path in output.iterdir()) == ["001-a.png", "008-z.png"]


def saved(folder, **summary):
    """Return a results folder with this summary, and weights that do not fit."""
    results.save(folder, lambda staged: (staged / results.WEIGHTS).write_bytes(b"no"), summary)
    return folder


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "none", "is not the output folder of a run; "),
        (lambda folder: folder, "is not the output folder of a run; "),
        (lambda folder: saved(folder, command="python -m models.siamese"), "a run of models.siamese, which is not a d"),
        (lambda folder: saved(folder, command="python -m os"), "a run of an unknown program"),
        (lambda folder: saved(folder, command=["rm"]), "a run of an unknown program"),
        (lambda folder: saved(folder, command="python -m models.options"), "a run of an unknown program"),
        (lambda folder: saved(folder), "a run of an unknown program"),
        (lambda folder: saved(folder, command="python -m models.mnist_lenet", options={}), "cannot read the weights"),
    ],
)
def test_a_folder_that_is_no_run_of_a_digit_model_is_one_line(make, message, tmp_path, capsys):
    assert predict.main([str(make(tmp_path)), "image.png"]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("models.predict: ")
    assert message in err


def test_a_run_of_other_weights_or_options_is_one_line(run, tmp_path, capsys):
    weights = (run / results.WEIGHTS).read_bytes()
    for options, message in (
        ({"recipe": "original"}, "cannot load this state dict"),
        ({"recipe": "none"}, "lacks the options"),
        ({}, "lacks"),
    ):
        summary = {"command": "python -m models.mnist_conv", "options": options}
        results.save(tmp_path, lambda staged: (staged / results.WEIGHTS).write_bytes(weights), summary)
        assert predict.main([str(tmp_path), "image.png"]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert message in err
