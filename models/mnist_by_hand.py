"""The original script, restated: an MNIST network in plain NumPy with hand-written gradients and seven known faults.

    images --patches--> (N, P, 9) @ kernels --tanh, dropout--> hidden (N, P * 16) @ weights --softmax--> digit

One layer of 3 x 3 convolutions, written as the product of every patch with every kernel, and one dense layer.
`backward` is the chain rule worked out by hand. The script has seven faults; `Faults` names each and can repair it.
With `ORIGINAL`, which has all of them, the program prints the script's log digit for digit. With `CORRECT`, which
has none, `backward` returns minus the gradient of the mean cross-entropy.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from models.shared import positive, program
from models.shared.options import Parser
from tinygrad_edu.data import load_embedded

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]

KERNELS = 16
DIGITS = 10
BATCH = 128
LEARNING_RATE = 2.0
# Images per piece. The arrays of a piece fit in the cache, and OpenBLAS computes its small products on one thread:
# more threads cost ten times the time they save as soon as another program uses the cores.
TRAIN_PIECE = 4
TEST_PIECE = 8
# Float32 can rank two logits wrongly only if their difference is below this fraction of the sum of the absolute
# weights: thirty times the largest error measured.
FLOAT32_DOUBT = 4e-6


@dataclass(frozen=True)
class Faults:
    """Faults of the script, one switch each; False repairs the fault.

    Attributes
    ----------
    short_grid : bool
        A 3 x 3 kernel visits 25 x 25 positions of a 28 x 28 image instead of 26 x 26.
    double_division : bool
        The output error is divided by the batch size twice: a learning rate of 2 is 2/128 on the mean loss.
    climbing_kernels : bool
        The kernels move up the gradient of the loss; only the dense layer moves down.
    slope_of_dropped : bool
        The slope of tanh is computed from activations doubled by dropout: 1 - (2 tanh)^2, from 1 down to -3.
    undoubled_backward : bool
        The backward pass omits the factor 2 that dropout applies in the forward pass.
    short_count : bool
        Training accuracy is a fraction of all 1,000 images, but the seven full batches contain only 896.
    bare_exponential : bool
        Softmax exponentiates the logits without subtracting their maximum: logits above 709 overflow to NaN.
    """

    short_grid: bool = True
    double_division: bool = True
    climbing_kernels: bool = True
    slope_of_dropped: bool = True
    undoubled_backward: bool = True
    short_count: bool = True
    bare_exponential: bool = True


ORIGINAL = Faults()
CORRECT = Faults(
    short_grid=False,
    double_division=False,
    climbing_kernels=False,
    slope_of_dropped=False,
    undoubled_backward=False,
    short_count=False,
    bare_exponential=False,
)


def patches(images: Floats, faults: Faults = ORIGINAL) -> Floats:
    """Return every 3 x 3 patch of every image, as rows of nine pixels.

    Parameters
    ----------
    images : ndarray of float64, shape (N, 28, 28)
    faults : Faults
        `short_grid` sets the number of positions.

    Returns
    -------
    ndarray of float64, shape (N, P, 9)
        P is 625 with the short grid and 676 without. The storage is ordered (N, 9, P).
    """
    side = 25 if faults.short_grid else 26
    # One crop for each of the nine pixels instead of one patch for each position: long contiguous runs copy faster.
    crops = sliding_window_view(images, (side, side), axis=(1, 2))[:, :3, :3]
    return crops.reshape(len(images), 9, side * side).swapaxes(1, 2)


def initial_parameters(random: np.random.RandomState, positions: int) -> tuple[Floats, Floats]:
    """Draw the kernels, shape (9, 16), then the weights, shape (positions * 16, 10): uniform, float64."""
    kernels = 0.02 * random.random_sample((9, KERNELS)) - 0.01
    weights = 0.2 * random.random_sample((positions * KERNELS, DIGITS)) - 0.1
    return kernels, weights


def convolve(patches: Floats, kernels: Floats) -> Floats:
    """Return the activations of the hidden layer before dropout: (N, P, 9) and (9, 16) to (N, P * 16), float64."""
    activations = patches @ kernels
    np.tanh(activations, out=activations)
    return activations.reshape(len(patches), -1)


def softmax(logits: Floats, faults: Faults = ORIGINAL) -> Floats:
    """Return the probabilities of the digits from their logits: (N, 10) to (N, 10), float64."""
    if not faults.bare_exponential:
        logits = logits - logits.max(axis=1, keepdims=True)
    exponentials: Floats = np.exp(logits)
    exponentials /= exponentials.sum(axis=1, keepdims=True)
    return exponentials


def forward(
    patches: Floats, kernels: Floats, weights: Floats, mask: Floats, faults: Faults = ORIGINAL
) -> tuple[Floats, Floats]:
    """Run the network on a batch, with dropout.

    Parameters
    ----------
    patches : ndarray of float64, shape (N, P, 9)
    kernels : ndarray of float64, shape (9, 16)
    weights : ndarray of float64, shape (P * 16, 10)
    mask : ndarray of float64, shape (N, P * 16)
        1 keeps a hidden unit and doubles it, 0 drops it.
    faults : Faults
        `bare_exponential` acts here.

    Returns
    -------
    hidden : ndarray of float64, shape (N, P * 16)
        The activations after dropout.
    probabilities : ndarray of float64, shape (N, 10)
    """
    hidden = convolve(patches, kernels)
    hidden *= 2 * mask
    return hidden, softmax(hidden @ weights, faults)


def output_error(probabilities: Floats, labels: Integers, batch_size: int, faults: Faults = ORIGINAL) -> Floats:
    """Return minus the gradient of the mean cross-entropy of a batch with respect to the logits.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (N, 10)
    labels : ndarray of integers, shape (N,)
    batch_size : int
        Number of images in the mean: N, or more if the arguments are a piece of a batch.
    faults : Faults
        `double_division` acts here.

    Returns
    -------
    ndarray of float64, shape (N, 10)
    """
    error = np.eye(DIGITS)[labels] - probabilities
    return error / (batch_size * batch_size if faults.double_division else batch_size)


def tanh_slope(hidden: Floats, faults: Faults = ORIGINAL) -> Floats:
    """Return the slope of tanh, from the activations that dropout kept and doubled; any shape, float64."""
    activations = hidden if faults.slope_of_dropped else hidden / 2
    return 1 - activations * activations


def backward(
    patches: Floats, hidden: Floats, error: Floats, weights: Floats, mask: Floats, faults: Faults = ORIGINAL
) -> tuple[Floats, Floats]:
    """Backpropagate the output error to the steps of the kernels and weights.

    Parameters
    ----------
    patches, weights, mask
        The arguments of `forward`.
    hidden : ndarray of float64, shape (N, P * 16)
        The first output of `forward`.
    error : ndarray of float64, shape (N, 10)
        The output of `output_error`.
    faults : Faults
        `climbing_kernels`, `slope_of_dropped` and `undoubled_backward` act here.

    Returns
    -------
    kernel_step : ndarray of float64, shape (9, 16)
    weight_step : ndarray of float64, shape (P * 16, 10)
        Steps to add, times the learning rate. Without faults, minus the gradient of the mean cross-entropy.
    """
    hidden_error = error @ weights.T
    hidden_error *= tanh_slope(hidden, faults)
    hidden_error *= mask if faults.undoubled_backward else 2 * mask
    by_position = hidden_error.reshape(len(patches), -1, KERNELS)
    kernel_step = (patches.swapaxes(1, 2) @ by_position).sum(axis=0)
    return (-kernel_step if faults.climbing_kernels else kernel_step), hidden.T @ error


def batch_steps(
    patches: Floats,
    labels: Integers,
    kernels: Floats,
    weights: Floats,
    random: np.random.RandomState,
    faults: Faults = ORIGINAL,
) -> tuple[Floats, Floats, int]:
    """Run the forward and backward pass of a batch, a few images at a time.

    Parameters
    ----------
    patches : ndarray of float64, shape (N, P, 9)
    labels : ndarray of integers, shape (N,)
    kernels : ndarray of float64, shape (9, 16)
    weights : ndarray of float64, shape (P * 16, 10)
    random : RandomState
        Draws the dropout masks: one number per hidden unit, image by image.
    faults : Faults

    Returns
    -------
    kernel_step : ndarray of float64, shape (9, 16)
    weight_step : ndarray of float64, shape (P * 16, 10)
    correct : int
        Number of images classified correctly, with dropout.
    """
    kernel_step, weight_step, correct = np.zeros_like(kernels), np.zeros_like(weights), 0
    for piece in pieces(len(labels), TRAIN_PIECE):
        x, y = patches[piece], labels[piece]
        mask = random.randint(2, size=(len(y), len(weights))).astype(np.float64)
        hidden, probabilities = forward(x, kernels, weights, mask, faults)
        error = output_error(probabilities, y, len(labels), faults)
        kernel_part, weight_part = backward(x, hidden, error, weights, mask, faults)
        kernel_step += kernel_part
        weight_step += weight_part
        correct += int(np.count_nonzero(probabilities.argmax(axis=1) == y))
    return kernel_step, weight_step, correct


def pieces(count: int, size: int) -> Iterator[slice]:
    """Cut `count` items into slices of length `size`; the last may be shorter."""
    return (slice(start, start + size) for start in range(0, count, size))


def evaluation_logits(images: Floats, kernels: Floats, weights: Floats, faults: Faults = ORIGINAL) -> Floats:
    """Return the logits without dropout, (N, 28, 28) to (N, 10), in the dtype of all three arrays."""
    logits = np.empty((len(images), DIGITS), images.dtype)
    for piece in pieces(len(images), TEST_PIECE):
        logits[piece] = convolve(patches(images[piece], faults), kernels) @ weights
    return logits


def predict(images: Floats, kernels: Floats, weights: Floats, faults: Faults = ORIGINAL) -> Integers:
    """Return the digit on each image, without dropout.

    The results are those of float64. They are computed in float32, which is three times faster, and again in float64
    where the two largest logits are too close for float32.

    Parameters
    ----------
    images : ndarray of float64, shape (N, 28, 28)
    kernels : ndarray of float64, shape (9, 16)
    weights : ndarray of float64, shape (P * 16, 10)
    faults : Faults
        `short_grid` acts here.

    Returns
    -------
    ndarray of int64, shape (N,)
    """
    quick_images, quick_kernels, quick_weights = (array.astype(np.float32) for array in (images, kernels, weights))
    logits = evaluation_logits(quick_images, quick_kernels, quick_weights, faults)
    digits: Integers = logits.argmax(axis=1)
    second, best = np.partition(logits, -2, axis=1)[:, -2:].T
    close = best - second < FLOAT32_DOUBT * np.abs(weights).sum(axis=0).max()
    digits[close] = evaluation_logits(images[close], kernels, weights, faults).argmax(axis=1)
    return digits


def train(
    images: Integers,
    labels: Integers,
    test_images: Integers,
    test_labels: Integers,
    epochs: int,
    faults: Faults = ORIGINAL,
    learning_rate: float = LEARNING_RATE,
) -> Iterator[tuple[int, float, float]]:
    """Train from the script's random numbers, and yield the accuracies after every epoch.

    Parameters
    ----------
    images, test_images : ndarray of uint8, shape (N, 28, 28)
        Images after the last full batch are not used for training.
    labels, test_labels : ndarray of integers, shape (N,)
    epochs : int
    faults : Faults
        `short_count` acts here; the others act in the functions called here.
    learning_rate : float
        With the double division, 2 moves the parameters by 2/128 of the gradient of the mean loss. Without
        it, 2/128 takes the same steps bit for bit, and 2 takes steps 128 times as long.

    Yields
    ------
    epoch : int
    test_accuracy : float
    train_accuracy : float
        Counted with dropout, batch by batch, while the parameters move.
    """
    random = np.random.RandomState(1)
    train_patches, unit_test_images = patches(images / 255, faults), test_images / 255
    kernels, weights = initial_parameters(random, train_patches.shape[1])
    seen = len(images) // BATCH * BATCH
    for epoch in range(epochs):
        correct = 0
        for batch in pieces(seen, BATCH):
            kernel_step, weight_step, correct_in_batch = batch_steps(
                train_patches[batch], labels[batch], kernels, weights, random, faults
            )
            kernels += learning_rate * kernel_step
            weights += learning_rate * weight_step
            correct += correct_in_batch
        test_accuracy = np.mean(predict(unit_test_images, kernels, weights, faults) == test_labels)
        yield epoch, float(test_accuracy), correct / (len(images) if faults.short_count else seen)


def log_line(epoch: int, test_accuracy: float, train_accuracy: float) -> str:
    """Return one line of the script's log."""
    return f"I:{epoch} Test-Acc:{test_accuracy} Train-Acc:{train_accuracy}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the script's log. Ctrl-C ends the program at once and leaves only the printed lines."""
    parser = Parser(
        prog="models.mnist_by_hand",
        description="Run the original script, faults included, on 1,000 digits and print its log line by line.",
    )
    parser.add_argument("--epochs", type=positive(int), default=300, help="epochs to train (default: %(default)s)")
    epochs: int = parser.parse_args(arguments).epochs
    digits = load_embedded()
    for report in train(digits.x_train, digits.y_train, digits.x_test, digits.y_test, epochs):
        print(log_line(*report), flush=True)


if __name__ == "__main__":
    program("models.mnist_by_hand", main)
