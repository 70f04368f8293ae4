"""Train a few steps with the installed package and NumPy alone: ``python tools/smoke.py``, as a file.

As a file, and not with -m, so that the package is the one that pip installed and not the folder here.
"""

import numpy as np

import tinygrad_edu as tg
from tinygrad_edu import nn, optim


def main() -> None:
    """Go through the digits inside the package once, and see the loss fall."""
    rng, digits = np.random.default_rng(0), tg.data.load_embedded()
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 10, rng=rng))
    optimizer, losses = optim.SGD(model.parameters(), lr=0.1), []
    for images, labels in tg.data.DataLoader(digits.x_train, digits.y_train, batch_size=32, rng=rng):
        optimizer.zero_grad()
        loss = nn.cross_entropy(model(tg.data.to_float(images)), labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.item()))
    print(f"{tg.__file__}: the loss fell from {losses[0]:.3f} to {losses[-1]:.3f}")
    assert "site-packages" in tg.__file__, "this is not the installed package"
    assert losses[-1] < 0.6 * losses[0]


if __name__ == "__main__":
    main()
