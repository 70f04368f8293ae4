"""ImageFolder: classes, pixels, sizes, loaders, and files that cannot be read."""

import io
import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from tinygrad_edu import data
from tinygrad_edu.errors import DataError, ShapeError

RNG = np.random.default_rng(0)


@pytest.fixture
def root(tmp_path):
    """Return a folder with two classes, and the pixels of each file."""
    pixels = {}
    for name in ("cat/1.png", "cat/old/2.PNG", "dog/a.png", "dog/b.bmp"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels[name] = RNG.integers(0, 256, (4, 5, 3), np.uint8)
        Image.fromarray(pixels[name]).save(path)
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    (tmp_path / "dog" / ".hidden.png").write_text("no image")
    (tmp_path / ".cache").mkdir()
    (tmp_path / "readme.txt").write_text("no class")
    return tmp_path, pixels


def test_each_file_is_an_image_and_its_label(root):
    folder, pixels = root
    images = data.ImageFolder(folder)
    assert (images.classes, images.class_to_idx) == (["cat", "dog"], {"cat": 0, "dog": 1})
    assert images.targets == [0, 0, 1, 1]
    assert [path.relative_to(folder).as_posix() for path, _ in images.samples] == list(pixels)
    for (image, label), expected, target in zip(images, pixels.values(), images.targets, strict=False):
        assert image.dtype == np.uint8
        np.testing.assert_array_equal(image, expected.transpose(2, 0, 1))
        assert label == target
    assert len(images) == 4
    assert repr(images).endswith("4 images of 2 classes)")


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 4)])
@pytest.mark.parametrize("size", [None, (2, 7)])
def test_images_are_converted_and_resized(root, mode, channels, size):
    image, _ = data.ImageFolder(root[0], mode, size)[0]
    assert image.shape == (channels, *(size or (4, 5)))
    assert image.flags.c_contiguous


def test_a_loader_draws_batches(root):
    loader = data.DataLoader(data.ImageFolder(root[0]), batch_size=2, rng=np.random.default_rng(0))
    batches = list(loader)
    assert [x.shape for x, _ in batches] == [(2, 3, 4, 5)] * 2
    assert sorted(np.concatenate([y for _, y in batches])) == [0, 0, 1, 1]
    assert data.to_float(batches[0][0]).dtype == np.float32
    Image.new("RGB", (9, 9)).save(root[0] / "cat" / "3.png")
    with pytest.raises(ShapeError):
        list(data.DataLoader(data.ImageFolder(root[0]), batch_size=5))
    list(data.DataLoader(data.ImageFolder(root[0], size=(4, 4)), batch_size=5))


def test_what_cannot_be_read_is_named(root, tmp_path_factory):
    folder, _ = root
    (folder / "dog" / "c.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"cannot read .*c\.png: cannot identify"):
        data.ImageFolder(folder)[4]
    (folder / "emu").mkdir()
    with pytest.raises(DataError, match="no images in emu"):
        data.ImageFolder(folder)
    with pytest.raises(DataError, match="has no folders"):
        data.ImageFolder(tmp_path_factory.mktemp("empty"))
    with pytest.raises(DataError, match="nowhere: No such file"):
        data.ImageFolder(folder / "nowhere")
    with pytest.raises(ValueError, match="mode must be 'L', 'RGB' or 'RGBA', got 'rgb'"):
        data.ImageFolder(folder, "rgb")
    with pytest.raises(ValueError, match="size"):
        data.ImageFolder(folder, size=(0, 4))


GRAY = np.array([[0, 1000, 255, 32768, 65535]], np.uint16)
COLORS = Image.fromarray(RNG.integers(0, 256, (12, 11, 3), np.uint8))


def read(folder, name, contents, mode="L"):
    """Return the pixels of an image, or of the bytes of a file, in a class of its own."""
    path = folder / "class" / name
    path.parent.mkdir(exist_ok=True)
    if isinstance(contents, bytes):
        path.write_bytes(contents)
    else:
        contents.save(path)
    return data.ImageFolder(folder, mode)[0][0]


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
@pytest.mark.parametrize(("name", "contents"), [
    ("a.png", Image.fromarray(GRAY)), ("a.tif", Image.fromarray(GRAY)),
    ("a.pgm", b"P5 5 1 65535\n" + GRAY.astype(">u2").tobytes()),
    ("a.ppm", b"P6 5 1 65535\n" + np.repeat(GRAY.astype(">u2"), 3).tobytes()),
])  # fmt: skip
def test_pixels_of_16_bits_are_scaled_to_8(tmp_path, name, contents, mode):
    image = read(tmp_path, name, contents, mode)
    assert image.shape == (len(mode), 1, 5)
    np.testing.assert_allclose(image[0], GRAY / 257, atol=1)
    assert image.dtype == np.uint8
    assert (image[1:3] == image[:1]).all()


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV"])
def test_each_mode_of_8_bits_is_read_as_pillow_converts_it(tmp_path, mode):
    image = COLORS.convert(mode)
    image = image if mode not in ("PA", "HSV") else image.convert("RGB")  # no format stores them
    found = read(tmp_path, "a.tif" if mode in ("CMYK", "YCbCr") else "a.png", image, "RGB")
    np.testing.assert_array_equal(found, np.array(image.convert("RGB")).transpose(2, 0, 1))


def tiff(pixels, tags=()):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF", tiffinfo=dict(tags))
    return file.getvalue()


@pytest.mark.parametrize("contents", [
    tiff(np.array([[0.0, 0.5, 1.0]], np.float32)), tiff(np.array([[0, 300, 70000]], np.int32)),
    tiff(GRAY).replace(b"\x06\x01\x03\x00\x01\x00\x00\x00\x01", b"\x06\x01\x03\x00\x01\x00\x00\x00\x00"),  # white is 0
])  # fmt: skip
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pixels_of_an_unknown_range_are_refused(tmp_path, contents, mode):
    with pytest.raises(DataError, match=r"cannot read .*a\.tif: its pixels .* have no known range. Save them with 8"):
        read(tmp_path, "a.tif", contents, mode)


FORMATS = {"png": "PNG", "jpg": "JPEG", "gif": "GIF", "tif": "TIFF", "bmp": "BMP", "webp": "WEBP", "ppm": "PPM"}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("count", [10, pytest.param(150, marks=pytest.mark.thorough)])
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_damaged_file_is_read_or_named(tmp_path, suffix, count):
    file, rng = io.BytesIO(), np.random.default_rng(count)
    COLORS.save(file, FORMATS[suffix])
    whole = np.frombuffer(file.getvalue(), np.uint8)
    for _ in range(count):
        damaged = whole[: rng.integers(len(whole) // 2, len(whole) + 1)].copy()
        damaged[rng.integers(0, rng.choice([60, len(damaged)]), size=3)] = rng.integers(0, 256, 3)
        try:
            assert read(tmp_path, f"a.{suffix}", damaged.tobytes()).dtype == np.uint8
        except DataError as error:
            assert f"a.{suffix}: " in str(error)  # noqa: PT017 (some files can be read)


def test_what_is_no_file_is_no_sample(root):
    folder, pixels = root
    (folder / "cat" / "folder.png").mkdir()
    (folder / "cat" / "broken.png").symlink_to(folder / "nowhere.png")
    (folder / "cat" / "linked.png").symlink_to(folder / "cat" / "1.png")
    os.mkfifo(folder / "cat" / "pipe.png")
    images = data.ImageFolder(folder)
    assert [path.name for path, _ in images.samples] == ["1.png", "linked.png", "2.PNG", "a.png", "b.bmp"]
    np.testing.assert_array_equal(images[1][0], pixels["cat/1.png"].transpose(2, 0, 1))


@pytest.mark.thorough
def test_without_pillow_the_error_names_the_extra(root):
    program = textwrap.dedent(f"""
        import sys
        sys.modules["PIL"] = None
        from tinygrad_edu import data
        data.ImageFolder({str(root[0])!r})
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "MissingExtraError: ImageFolder requires Pillow: run" in done.stderr
    assert '".[images]"' in done.stderr
