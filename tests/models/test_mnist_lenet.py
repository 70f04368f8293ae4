"""LeNet: accuracy, results and refused options."""

import numpy as np
import pytest
from matplotlib.image import imread

from models import mnist_lenet
from models.shared import classifier, results
from tinygrad_edu import data
from tinygrad_edu.training import predict


@pytest.mark.thorough
def test_a_short_run_says_its_accuracy_and_draws_its_pictures(small, tmp_path, capsys):
    assert mnist_lenet.main([*small, "--quiet", "--views", "2", "--output", str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    summary = results.read_summary(tmp_path)
    assert (out.count("\n"), err) == (1, "")
    assert str(summary["test_accuracy"]) in out
    for name in classifier.PICTURES:
        assert imread(tmp_path / name)[..., :3].std() > 0.05
    model = mnist_lenet.build(np.random.default_rng(1))
    model.load_state_dict(results.read_weights(tmp_path))
    digits = data.load_file(small[-1])
    read = predict(model, data.to_float(digits.x_test))
    assert float(np.mean(read == digits.y_test)) == summary["test_accuracy"] > 0.3
    seen = classifier.read(model, digits.x_test, views=2)
    assert float(np.mean(seen == digits.y_test)) == summary["test_accuracy_in_2_views"]


@pytest.mark.thorough
def test_without_views_the_images_are_read_as_they_are(small, tmp_path):
    images, model = data.load_embedded().x_test[:200], mnist_lenet.build(np.random.default_rng(0))
    assert np.array_equal(classifier.read(model, images, views=0), predict(model, data.to_float(images)))
    assert mnist_lenet.main([*small, "--quiet", "--epochs", "1", "--views", "0", "--output", str(tmp_path)]) == 0
    assert not any("views" in name for name in results.read_summary(tmp_path))


def test_bent_digits_are_bytes_of_the_same_digits_and_other_ones_each_time():
    images = data.load_embedded().x_train[:50]
    rng = np.random.default_rng(0)
    first, second = (classifier.augment(images, rng) for _ in range(2))
    assert (first.shape, first.dtype) == (images.shape, np.uint8)
    assert (first != second).any(axis=(1, 2)).all()
    assert np.corrcoef(first.mean(axis=(1, 2)), images.mean(axis=(1, 2)))[0, 1] > 0.8


def test_the_size_of_the_pixels_does_not_matter_to_the_network():
    """So no other code normalizes the inputs."""
    x = data.to_float(data.load_embedded().x_train[:8])
    logits = [mnist_lenet.build(np.random.default_rng(0)).astype(np.float64)[:9](pixels) for pixels in (x, 3 * x - 1)]
    np.testing.assert_allclose(logits[0].numpy(), logits[1].numpy(), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch-size", "321"], "a batch of 321 is larger than the 320 training images"),
        (
            ["--batch-size", "320"],
            "the learning-rate schedule needs at least 4 steps, got 2; increase --epochs or reduce --batch-size",
        ),
    ],
)
def test_what_cannot_be_trained_is_one_line(options, message, small, tmp_path, capsys):
    assert mnist_lenet.main([*small, *options, "--output", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"models.mnist_lenet: {message}.\n"


@pytest.mark.slow
def test_the_default_job_reads_98_4_percent_of_the_test_images(tmp_path):
    assert mnist_lenet.main(["--quiet", "--output", str(tmp_path)]) == 0
    summary = results.read_summary(tmp_path)
    assert summary["test_accuracy"] >= 0.984
    assert summary["test_accuracy_in_4_views"] > summary["test_accuracy"]
