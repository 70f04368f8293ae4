"""Make an MNIST file for the choice of hyperparameters: its test images are unused training images.

    python -m tools.held_out_mnist FULL OUT

FULL is an .npz with the keys of Keras's mnist.npz. OUT has its first 1,000 training images (or --train-size), and the
other training images as test images. The programs in models/ take it as --data OUT.
"""

from pathlib import Path

import numpy as np

from models.shared.options import positive
from tinygrad_edu.data import load_file
from tinygrad_edu.shared.display.command_line import Parser
from tools.make_embedded_mnist import TRAINING_IMAGES


def main(arguments: list[str] | None = None) -> None:
    """Write OUT."""
    parser = Parser("python -m tools.held_out_mnist", description=__doc__)
    parser.add_argument("full", type=Path, help=".npz with x_train, y_train, x_test, y_test")
    parser.add_argument("out", type=Path, help="path of the .npz to write")
    parser.add_argument("--train-size", type=positive(int), default=TRAINING_IMAGES, help="default: %(default)s")
    options = parser.parse_args(arguments)
    full = load_file(options.full)
    x_train, x_test = np.split(full.x_train, [options.train_size])
    y_train, y_test = np.split(full.y_train, [options.train_size])
    np.savez_compressed(options.out, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


if __name__ == "__main__":
    main()
