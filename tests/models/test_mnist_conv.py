"""The main job, end to end, on real images: what it reaches, what it leaves behind, and how it fails."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import tinygrad_edu as tg
from models import mnist_conv
from tinygrad_edu.testing import check_vjp

PROJECT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "models.mnist_conv"]
SHORT = ["--epochs", "2", "--train-size", "320"]


def job(*options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, options)], cwd=PROJECT, capture_output=True, text=True, check=False)


def history(folder: Path) -> list[dict[str, str]]:
    with (folder / "history.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """The default job, run once."""
    folder = tmp_path_factory.mktemp("full")
    result = job("--output", folder)
    assert result.returncode == 0, result.stderr
    return folder, result


def test_the_default_job_reads_93_percent_of_the_test_images(full):
    folder, result = full
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["test_accuracy"] >= 0.93
    assert summary["train_accuracy"] >= 0.95
    assert summary["epochs"] == len(history(folder)) == 40
    assert len(result.stdout.splitlines()) == 1
    assert str(summary["test_accuracy"]) in result.stdout
    assert result.stderr == ""  # no progress bar where nobody watches


def test_the_summary_says_how_it_was_made(full):
    summary = json.loads((full[0] / "summary.json").read_text())
    assert summary.keys() == {
        "test_accuracy", "train_accuracy", "epochs", "seconds", "step_milliseconds", "seed", "options",
    }  # fmt: skip
    assert 0 < summary["step_milliseconds"] < 1000 * summary["seconds"]
    assert summary["options"]["recipe"] == "tuned"
    assert summary["options"]["batch_size"] == 32


def test_the_pictures_are_pictures(full):
    from matplotlib.image import imread

    for name in ("curves", "kernels", "mistakes"):
        picture = imread(full[0] / f"{name}.png")
        assert min(picture.shape[:2]) > 200
        assert picture[..., :3].std() > 0.05


def test_the_saved_weights_give_the_accuracy_that_was_reported(full):
    weights = load_file(full[0] / "model.safetensors")
    assert {name: (a.shape, a.dtype) for name, a in weights.items()} == {
        "0.weight": ((16, 1, 3, 3), np.float32),
        "4.weight": ((10, 10816), np.float32),
    }
    model = mnist_conv.build(mnist_conv.RECIPES["tuned"], np.random.default_rng(1))
    model.load_state_dict(weights)
    digits = tg.data.load_embedded()
    read = mnist_conv.predict(model, tg.data.to_float(digits.x_test))
    summary = json.loads((full[0] / "summary.json").read_text())
    assert float(np.mean(read == digits.y_test)) == summary["test_accuracy"]


def test_the_same_seed_gives_the_same_bits_and_another_gives_others(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert job(*SHORT, "--seed", seed, "--output", tmp_path / name).returncode == 0
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c
    a, b = ([{**row, "seconds": 0} for row in history(tmp_path / name)] for name in "ab")
    assert a == b


def test_the_bits_do_not_depend_on_the_number_of_cores(tmp_path):
    one = ["taskset", "-c", "0"] if sys.platform == "linux" else []
    result = subprocess.run([*one, *COMMAND, *SHORT, "--output", tmp_path / "one"], cwd=PROJECT, check=False)
    assert result.returncode == 0
    assert job(*SHORT, "--output", tmp_path / "all").returncode == 0
    assert (tmp_path / "one/model.safetensors").read_bytes() == (tmp_path / "all/model.safetensors").read_bytes()


def test_a_local_file_in_keras_format_is_data_too(tmp_path):
    digits = tg.data.load_embedded()
    np.savez(tmp_path / "mnist.npz", **{k: getattr(digits, k) for k in ("x_train", "y_train", "x_test", "y_test")})
    for name, source in (("file", tmp_path / "mnist.npz"), ("embedded", "embedded")):
        assert job(*SHORT, "--data", source, "--output", tmp_path / name).returncode == 0
    file, embedded = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("file", "embedded"))
    assert file == embedded


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "0"], "argument --epochs: '0' is not a positive whole number"),
        (["--epochs", "many"], "argument --epochs: 'many' is not a positive whole number"),
        (["--learning-rate", "-1"], "argument --learning-rate: '-1' is not a positive number"),
        (["--learning-rate", "nan"], "argument --learning-rate: 'nan' is not a positive number"),
        (["--seed", "-1"], "argument --seed: '-1' is not a whole number of at least 0"),
        (["--batch-size", "2000"], "a batch of 2000 is larger than the 1000 training images"),
        (["--train-size", "1001"], "1001"),
        (["--data", "/no/such/file.npz"], "/no/such/file.npz"),
        (["--recipe", "other"], "argument --recipe: invalid choice: 'other'"),
        (["--output", "/dev/null/x"], "/dev/null"),
    ],
)
def test_a_wrong_option_is_one_message_and_no_traceback(options, message):
    result = job(*options)
    assert result.returncode == 2
    assert result.stdout == ""
    assert result.stderr.startswith("models.mnist_conv: ")
    assert message in result.stderr.splitlines()[0]
    assert len(result.stderr.splitlines()) == 1


def test_a_loss_that_runs_away_is_said_and_what_is_there_is_saved(tmp_path):
    result = job(*SHORT, "--learning-rate", "1e39", "--output", tmp_path)
    assert result.returncode == 1
    assert result.stdout.startswith("diverged: ")
    assert len(history(tmp_path)) == 1


def test_ctrl_c_ends_cleanly_with_what_is_there(tmp_path):
    folder = tmp_path / "run"
    # A job in the background of a shell script ignores Ctrl-C, and so would what it starts.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from models import mnist_conv; "
        "sys.exit(mnist_conv.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-c", program, "--epochs", "100000", "--output", folder]
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    try:
        while not folder.exists():  # it is made when the training begins
            time.sleep(0.1)
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 130
    assert out.startswith("stopped: ")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["epochs"] == len(history(folder)) > 0
    assert (folder / "model.safetensors").stat().st_size > 400_000


def test_help_names_every_option():
    result = job("--help")
    assert result.returncode == 0
    for option in ("recipe", "epochs", "batch-size", "learning-rate", "train-size", "data", "seed", "output"):
        assert f"--{option}" in result.stdout


def test_without_the_extra_the_error_names_it():
    program = "import sys; sys.modules['tqdm'] = None; from models import mnist_conv; sys.exit(mnist_conv.main([]))"
    result = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "pip install 'tinygrad-edu[models]'" in result.stderr


def test_the_gradient_of_the_network_is_the_derivative_of_its_loss():
    rng = np.random.default_rng(0)
    kernels, weights = rng.normal(0, 0.5, (16, 1, 3, 3)), rng.normal(0, 0.02, (10, mnist_conv.LINEAR_INPUTS))
    images = tg.data.to_float(tg.data.load_embedded().x_train[:2]).astype(np.float64)
    mask = rng.integers(0, 2, (2, mnist_conv.LINEAR_INPUTS)) * 2.0

    def loss(kernels, weights):
        hidden = tg.conv2d(tg.Tensor(images), kernels).tanh().reshape(2, -1) * mask
        return tg.cross_entropy(hidden @ weights.T, [5, 0])

    check_vjp(loss, kernels, weights)


@pytest.mark.slow
def test_the_seed_recipe_with_right_gradients_ends_near_87_percent(tmp_path):
    assert job("--recipe", "seed", "--output", tmp_path).returncode == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["epochs"] == 300
    assert 0.855 < summary["test_accuracy"] < 0.885
