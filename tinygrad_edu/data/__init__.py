"""Data sets, loaders, samplers and augmentation."""

from tinygrad_edu.data.collating import default_collate
from tinygrad_edu.data.file_rows import FileRows
from tinygrad_edu.data.image_folder import ImageFolder
from tinygrad_edu.data.images import channel_statistics, normalize_channels, random_shift, to_float
from tinygrad_edu.data.keras_sets import load_keras
from tinygrad_edu.data.loader import DataLoader
from tinygrad_edu.data.mnist import Digits, load_embedded, load_file
from tinygrad_edu.data.samplers import WeightedRandomSampler
from tinygrad_edu.data.splitting import Subset, random_split
from tinygrad_edu.data.warping import affine_field, displace, elastic_field, random_affine, random_elastic
from tinygrad_edu.errors.hints import add_hints as _add_hints
from tinygrad_edu.errors.hints import getattr_with_hints as _getattr_with_hints

__all__ = [
    "DataLoader", "Digits", "FileRows", "ImageFolder", "Subset", "WeightedRandomSampler", "affine_field",
    "channel_statistics", "default_collate", "displace", "elastic_field", "load_embedded", "load_file", "load_keras",
    "normalize_channels", "random_affine", "random_elastic", "random_shift", "random_split", "to_float",
]  # fmt: skip

_add_hints(globals())
# Set through globals(): a visible __getattr__ would make a type checker accept every name.
globals()["__getattr__"] = _getattr_with_hints("tg.data", __all__)
