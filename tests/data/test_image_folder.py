"""ImageFolder: classes, pixels, sizes, loaders, and files that cannot be read."""

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
