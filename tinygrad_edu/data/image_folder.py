"""ImageFolder: image files in one folder for each class, as a data set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinygrad_edu.errors import DataError
from tinygrad_edu.errors.checks import integer, invalid_choice
from tinygrad_edu.errors.extras import missing_extra

__all__ = ["ImageFolder"]

_EXTENSIONS = frozenset((".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"))
_MODES = ("L", "RGB", "RGBA")


class ImageFolder:
    """Data set of the image files in ``root/class/...``: a pair of an image and a label for each file.

    An image is a uint8 array (channels, height, width), read from its file each time. `to_float` and
    `normalize_channels` prepare a batch. Of pixels of 16 bits, the array has the upper 8, so that 65535 becomes 255.

    Parameters
    ----------
    root : path
        Folder with a folder for each class. Files in deeper folders belong to the class, too. Files with other
        extensions than those of images, names that begin with a full stop, and what is no file, such as a folder or a
        broken link, are ignored.
    mode : {"RGB", "L", "RGBA"}, default "RGB"
        Color mode, to which each image is converted; "L" has one channel.
    size : (int, int), optional
        Height and width, to which each image is resized. Default: as in the file. All images of a batch must have the
        same size.

    Attributes
    ----------
    classes : list of str
        Names of the classes, sorted. The label of a class is its position.
    class_to_idx : dict
        Label of each class by name.
    samples : list of (Path, int)
        File and label of each sample.
    targets : list of int
        Label of each sample.

    Raises
    ------
    DataError
        `root` has no folders, or a class has no images. While reading: a file is no image, is damaged, or has pixels
        whose range is unknown: floating point, or integers of more than 16 bits.
    MissingExtraError
        Pillow is not installed.
    ValueError
        `mode` or `size` is invalid.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> with TemporaryDirectory() as root:
    ...     for name, gray in (("dark", 0), ("light", 255)):
    ...         Path(root, name).mkdir()
    ...         Image.new("L", (3, 2), gray).save(f"{root}/{name}/1.png")
    ...     images = ImageFolder(root, mode="L")
    ...     print(images.classes, images[1][0].tolist(), images[1][1])
    ['dark', 'light'] [[[255, 255, 255], [255, 255, 255]]] 1
    """

    def __init__(self, root: str | os.PathLike[str], mode: str = "RGB", size: tuple[int, int] | None = None) -> None:
        if mode not in _MODES:
            raise invalid_choice("ImageFolder: mode", mode, _MODES)
        if size is not None:
            size = tuple(integer("ImageFolder: size", length, 1) for length in size)  # type: ignore[assignment]
        self.root, self.mode, self.size = Path(root), mode, size
        folders = sorted(path for path in self._entries() if path.is_dir())
        if not folders:
            raise DataError(f"ImageFolder: {self.root} must have a folder for each class, but has no folders.")
        self.classes = [path.name for path in folders]
        self.class_to_idx = {name: k for k, name in enumerate(self.classes)}
        self.samples = [(path, k) for k, folder in enumerate(folders) for path in _images_in(folder)]
        self.targets = [label for _, label in self.samples]
        if empty := [name for k, name in enumerate(self.classes) if k not in self.targets]:
            raise DataError(f"ImageFolder: no images in {', '.join(empty)}; known extensions: {sorted(_EXTENSIONS)}.")
        _pillow()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[NDArray[np.uint8], int]:
        path, label = self.samples[index]
        image = _pillow()
        try:
            with image.open(path) as file:
                converted = _with_8_bits(image, file).convert(self.mode)
        except Exception as problem:  # for a damaged file, Pillow's readers raise errors of many classes
            raise DataError(f"ImageFolder: cannot read {path}: {problem or type(problem).__name__}.") from problem
        if self.size is not None:
            converted = converted.resize(self.size[::-1], image.Resampling.BILINEAR)
        pixels = np.array(converted)
        return np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1)), label

    def __repr__(self) -> str:
        return f"ImageFolder({str(self.root)!r}, {len(self)} images of {len(self.classes)} classes)"

    def _entries(self) -> list[Path]:
        try:
            return [path for path in self.root.iterdir() if not path.name.startswith(".")]
        except OSError as error:
            raise DataError(f"ImageFolder: cannot read {self.root}: {error.strerror}.") from error


def _images_in(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in _EXTENSIONS
        and path.is_file()
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _with_8_bits(image: Any, file: Any) -> Any:
    """Return an image of at most 8 bits per channel. Pillow would clip pixels of 16 or more bits to 255."""
    if file.mode not in ("I", "F") and not file.mode.startswith("I;"):
        return file
    tags = getattr(file, "tag_v2", {})  # of a TIFF file; 262 is 0 if white is 0
    in_16_bits = (file.mode != "F" and file.format in ("PNG", "PPM")) or file.mode.startswith("I;16")
    if not in_16_bits or tags.get(258, (16,)) != (16,) or tags.get(262, 1) != 1:
        raise DataError(
            f"its pixels (mode {file.mode} of Pillow) have no known range. Save them with 8 bits per channel, or read "
            f"them in a data set of your own, with numpy.asarray(PIL.Image.open(path))."
        )
    return image.fromarray((np.asarray(file) >> 8).astype(np.uint8))


def _pillow() -> Any:
    """Return Pillow's module of images."""
    try:
        from PIL import Image
    except ImportError as error:
        raise missing_extra("ImageFolder requires Pillow", "images") from error
    return Image
