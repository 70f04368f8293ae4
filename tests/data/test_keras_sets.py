"""Data sets of Keras, loaded by Keras from files in its format, in a process with its own home and no network."""

import gzip
import importlib.util
import io
import json
import os
import pickle
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

import tinygrad_edu
from tinygrad_edu.errors.extras import remedy

PACKAGE = Path(tinygrad_edu.__file__).parent


def python(code, home, **env):
    """Run a program in a new interpreter with this package and without network access."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("KERAS")}
    homes = dict.fromkeys(("HOME", "USERPROFILE"), str(home))
    closed = {"https_proxy": "http://127.0.0.1:1", "no_proxy": ""}
    return subprocess.run(
        [sys.executable, "-P", "-c", code],  # -P: do not import from the current folder
        env=clean | homes | closed | {"PYTHONPATH": str(PACKAGE.parent)} | env,
        capture_output=True,
        text=True,
        check=False,
    )


def keras(code, home, **env):
    if importlib.util.find_spec("keras") is None:
        pytest.skip("needs the extra keras")
    return python(code, home, **env)


LOAD = """
import os
from tinygrad_edu.data import load_keras
try:
    load_keras("mnist")
finally:
    print(os.environ.get("KERAS_BACKEND"))
"""


@pytest.mark.thorough
def test_without_a_network_the_error_offers_the_other_ways(tmp_path):
    ran = keras(LOAD, tmp_path)
    assert "errors.DataError: Keras could not load mnist: URL fetch failure" in ran.stderr
    assert "needs the network" in ran.stderr
    assert "load_embedded(), or load_file(path)" in ran.stderr
    assert ran.stdout.endswith("jax\n")  # the default backend


@pytest.mark.thorough
def test_a_file_that_is_not_keras_s_own_does_not_pass_for_it(tmp_path):
    cache = tmp_path / ".keras" / "datasets"
    cache.mkdir(parents=True)
    np.savez(cache / "mnist.npz", **images(28, 28))
    ran = keras(LOAD, tmp_path)
    assert "errors.DataError: Keras could not load mnist: URL fetch failure" in ran.stderr
    assert "Keras deletes a file with another hash from its cache" in ran.stderr
    assert not (cache / "mnist.npz").exists()  # the claim of the message and the docstring


def test_the_user_s_choice_of_backend_is_kept(tmp_path):
    ran = keras(LOAD, tmp_path, KERAS_BACKEND="abacus")
    assert "MissingExtraError: Keras cannot be imported: Unable to import backend : abacus" in ran.stderr
    assert "KERAS_BACKEND is abacus; it must name an installed backend" in ran.stderr
    assert ran.stdout == "abacus\n"


@pytest.mark.thorough
@pytest.mark.parametrize("missing", ["keras", "jax"])
def test_without_keras_or_its_backend_the_error_names_the_extra(missing, tmp_path):
    ran = keras(f"import sys; sys.modules['{missing}'] = None\n{LOAD}", tmp_path)
    assert re.search(f"MissingExtraError: Keras cannot be imported: .*{missing}", ran.stderr), ran.stderr
    assert f"To install Keras and its backend JAX: {remedy('keras')}." in ran.stderr


@pytest.mark.thorough
def test_the_room_imports_neither_keras_nor_its_backend(tmp_path):
    code = "import sys, tinygrad_edu.data; print({'keras', 'jax', 'tensorflow'} & set(sys.modules))"
    assert python(code, tmp_path).stdout == "set()\n"


# --- Files in Keras's format, in its cache ---


def images(*shape):
    """Make two training images and a test image, whose pixels encode their positions."""
    x = np.arange(3 * np.prod(shape)).reshape(3, *shape).astype(np.uint8)
    y = np.array([3, 7, 5], np.uint8)
    return {"x_train": x[:2], "y_train": y[:2], "x_test": x[2:], "y_test": y[2:]}


def write_fashion(folder):
    """Write four files in Zalando's format: a header of 8 or 16 bytes, then data."""
    folder.mkdir(parents=True)
    for part, name in (("train", "train"), ("test", "t10k")):
        for key, kind, head in (("y", "labels-idx1", 8), ("x", "images-idx3", 16)):
            content = bytes(head) + images(28, 28)[f"{key}_{part}"].tobytes()
            (folder / f"{name}-{kind}-ubyte.gz").write_bytes(gzip.compress(content))


def write_cifar(path, folder, names, labels):
    """Write an archive of six pickled dicts with one image each. Keras broadcasts the image to 10,000 rows."""
    x = images(3, 32, 32)["x_test"].reshape(1, 3072)
    content = pickle.dumps({b"data": x, **{name: [value] for name, value in labels.items()}}, protocol=4)
    with tarfile.open(path, "w") as archive:
        for name in names:
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def write_texts(cache):
    texts = np.array([[1, 2, 3], [4], [5, 6], [7, 7, 7, 7]], dtype=object)
    labels = np.array([0, 1, 1, 0])
    np.savez(cache / "imdb.npz", x_train=texts, y_train=labels, x_test=texts[:2], y_test=labels[:2])
    np.savez(cache / "reuters.npz", x=texts, y=labels)


# Keras reads these files itself. Only its hash check is disabled.
READ = """
import json, keras
import keras.src.utils.file_utils
import numpy as np
keras.src.utils.file_utils.validate_file = lambda *args, **settings: True
from tinygrad_edu.data import DataLoader, Digits, load_keras
sets = {
    "mnist": {}, "fashion_mnist": {}, "cifar10": {}, "cifar100": {"label_mode": "coarse"}, "imdb": {"num_words": 8},
    "reuters": {"test_split": 0.5},
}
found = {}
for name, settings in sets.items():
    train, test = load_keras(name, **settings)
    found[name] = [[list(x.shape), x.dtype.name, x.ravel().tolist()[:3000], y.tolist()[:3]] for x, y in (train, test)]
    next(iter(DataLoader(*train, batch_size=2, rng=np.random.default_rng(0))))
print(Digits(*load_keras("fashion_mnist")[0], *load_keras("mnist")[1]))
for name, setting in ("imdb", {"test_split": 0.5}), ("cifar100", {"label_mode": "finest"}):
    try:
        load_keras(name, **setting)
    except Exception as error:
        found[f"wrong {name}"] = f"{type(error).__name__}: {error}"
keras.config.set_image_data_format("channels_first")
found["first"] = load_keras("cifar100")[0][0].ravel().tolist()[:3000]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    cache = home / "keras" / "datasets"
    cache.mkdir(parents=True)
    np.savez(cache / "mnist.npz", **images(28, 28))
    write_fashion(cache / "fashion-mnist")
    ten = [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]
    write_cifar(cache / "cifar-10-batches-py-target_archive", "cifar-10-batches-py", ten, {b"labels": 4})
    hundred = {b"fine_labels": 49, b"coarse_labels": 10}
    write_cifar(cache / "cifar-100-python-target_archive", "cifar-100-python", ["train", "test"], hundred)
    write_texts(cache)
    ran = keras(READ, home, KERAS_HOME=str(home / "keras"), KERAS_BACKEND="jax")
    assert ran.returncode == 0, ran.stderr
    digits, rest = ran.stdout.splitlines()[-2:]
    assert digits == "Digits(2 training images, 1 test images)"
    return json.loads(rest)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_images_of_one_channel(found, name):
    wanted = images(28, 28)
    for part, (shape, dtype, x, y) in zip(("train", "test"), found[name], strict=True):
        assert (shape, dtype) == ([len(y), 28, 28], "uint8")
        assert x == wanted[f"x_{part}"].ravel().tolist()[:3000]
        assert y == wanted[f"y_{part}"].tolist()


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "count", "label"), [("cifar10", 50_000, 4), ("cifar100", 1, 10)])
def test_images_of_three_channels_come_with_the_channels_first(found, name, count, label):
    train, test = found[name]
    assert (train[0], test[0], train[1]) == ([count, 3, 32, 32], [test[0][0], 3, 32, 32], "uint8")
    assert train[2] == test[2] == found["first"] == images(3, 32, 32)["x_test"].ravel().tolist()[:3000]
    assert set(train[3]) == set(test[3]) == {label}


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "counts"), [("imdb", (4, 2)), ("reuters", (2, 2))])
def test_texts_are_lists_of_numbers_of_words(found, name, counts):
    assert [part[0] for part in found[name]] == [[count] for count in counts]
    every = sorted(text for part in found[name] for text in part[2])
    # Word indices are offset by 3: 0 is padding, 1 the start, 2 an omitted word.
    whole = [[1, 2, 2, 2, 2], [1, 4, 5, 6], [1, 7], [1, 8, 9]]  # Keras always omits the rarest word
    rare = [[1, 2, 2], [1, 2, 2, 2, 2], [1, 4, 5, 6], [1, 4, 5, 6], [1, 7], [1, 7]]
    assert every == (rare if name == "imdb" else whole)


@pytest.mark.thorough
def test_a_wrong_setting_is_named(found):
    assert re.match(
        "DTypeError: imdb of Keras has no argument 'test_split'; it has path, num_words", found["wrong imdb"]
    )
    assert re.match("DataError: Keras could not load cifar100: .*label_mode", found["wrong cifar100"])


def test_a_set_that_there_is_not_is_named():
    with pytest.raises(
        tinygrad_edu.errors.DataError,
        match=r"name must be 'mnist', 'fashion_mnist', .* got 'mnits'; did you mean 'mnist'\?",
    ):
        tinygrad_edu.data.load_keras("mnits")
