"""Reading of PNG and JPEG images as RGB arrays: upright, and without transparency."""

import warnings
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy import ndarray

from tinygrad_edu.errors import DataError
from tinygrad_edu.shared.files import open_regular, reason

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".png", ".jpg", ".jpeg")
LARGEST_FILE = 1 << 28  # bytes
LONGEST = 4096  # pixels; larger images are reduced by averaging


def read_file(path: Path) -> ndarray:
    """Return the pixels of an image file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray of uint8, shape (H, W, 3)

    Raises
    ------
    DataError
        The file is missing, too large, or not a readable PNG or JPEG image.
    """
    try:
        if path.is_dir():
            raise DataError("the folder has no PNG or JPEG images.")
        with open_regular(path) as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise DataError(f"{reason(error)}.") from error
    return decode(content)


class TooManyPixelsError(DataError):
    """An image with more pixels than the limit."""


def decode(content: bytes, most: int | None = None) -> ndarray:
    """Decode the content of an image file, as `read_file` does.

    Parameters
    ----------
    content : bytes
    most : int, optional
        The largest number of pixels. Default: Pillow's limit of about 89 million.

    Raises
    ------
    DataError
        As for `read_file`.
    TooManyPixelsError
        The image has more pixels than the limit. Only its header was read.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    if not content or len(content) > LARGEST_FILE:
        raise DataError("the file is larger than 256 MiB." if content else "the file is empty.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as warnings about metadata, which the pixels do not depend on
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(BytesIO(content), formats=("PNG", "JPEG")) as image:
                if most is not None and image.width * image.height > most:
                    raise TooManyPixelsError(
                        f"the image has {image.width} x {image.height} pixels, the limit is {most:,}; make it smaller."
                    )
                return _flat(ImageOps.exif_transpose(image))
    except DataError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise TooManyPixelsError("the image has more pixels than Pillow's limit; make it smaller.") from error
    except UnidentifiedImageError as error:
        raise DataError("not a PNG or JPEG image.") from error
    except Exception as error:  # Pillow may raise any exception for a damaged image
        raise DataError(f"the image is damaged: {error or type(error).__name__}.") from error


def _flat(image: "Image") -> ndarray:
    """Return colours (H, W, 3). Transparent pixels become white, or black if the image itself is light."""
    if image.mode.startswith(("I", "F")):  # 16 bits: scaled to the full range, since many images use a part of it
        values = np.asarray(image, np.float32)
        low, high = float(values.min()), float(values.max())
        grey = np.rint((values - low) * (255 / max(high - low, 1))).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    flat = image.convert("RGBA" if image.has_transparency_data else "RGB")
    pixels = np.asarray(flat.reduce(-(-max(flat.size) // LONGEST)))
    if pixels.shape[2] == 3:
        return pixels
    colours, alpha = pixels[..., :3], pixels[..., 3:] / np.float32(255)
    light = (colours * alpha).mean() > 127.5 * alpha.mean()
    return np.rint(colours * alpha + (0 if light else 255) * (1 - alpha)).astype(np.uint8)
