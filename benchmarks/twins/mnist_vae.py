"""``models.mnist_vae``, compared with PyTorch with equal noise; and a full training in PyTorch."""

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.twins.steps import Comparison, compare_steps
from models import mnist_vae
from tinygrad_edu import data


class Autoencoder(nn.Module):
    """The same network in PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        wide, narrow, latent = mnist_vae.WIDE, mnist_vae.NARROW, mnist_vae.LATENT
        self.encoder = nn.Sequential(
            nn.Flatten(), nn.Linear(784, wide), nn.ReLU(), nn.Linear(wide, narrow), nn.ReLU(),
            nn.Linear(narrow, 2 * latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latent, narrow), nn.ReLU(), nn.Linear(narrow, wide), nn.ReLU(), nn.Linear(wide, 784),
            nn.Unflatten(1, (1, 28, 28)),
        )  # fmt: skip

    def forward(self, images: Any, noise: Any) -> Any:
        """Return logits, means and log variances."""
        mean, log_variance = self.encoder(images).chunk(2, dim=1)
        return self.decoder(mean + torch.exp(log_variance / 2) * noise), mean, log_variance


def mean_nats(outputs: Any, images: Any) -> Any:
    """Return the same loss, from PyTorch's functions."""
    logits, mean, log_variance = outputs
    found = torch.distributions.Normal(mean, torch.exp(log_variance / 2))
    divergence = torch.distributions.kl_divergence(found, torch.distributions.Normal(0.0, 1.0))
    pixels = nn.functional.binary_cross_entropy_with_logits(logits, images, reduction="sum")
    return (pixels + divergence.sum()) / len(images)


def compare(steps: int = 100, dtype: type = np.float64) -> Comparison:
    """Train both for some steps, and compare; float32 losses diverge as in `mnist_lenet`."""
    rng = np.random.default_rng(0)
    loader = mnist_vae.batches(data.load_embedded(), rng)
    images = [x.astype(dtype) for _ in range(-(-steps // len(loader))) for x, _ in loader][:steps]
    batches = [(x, rng.standard_normal((len(x), mnist_vae.LATENT), dtype), x) for x in images]
    ours, theirs = mnist_vae.Autoencoder(rng).astype(dtype), Autoencoder().to(torch.from_numpy(images[0]).dtype)
    return compare_steps(ours, mnist_vae.mean_nats, theirs, mean_nats, batches, lr=mnist_vae.LEARNING_RATE)


def trained(seed: int = 0, epochs: int = mnist_vae.EPOCHS) -> float:
    """Train PyTorch's network from its own initial weights and noise; return the test loss in nats per image."""
    torch.manual_seed(seed)
    images, network = data.load_embedded(), Autoencoder()
    loader = mnist_vae.batches(images, np.random.default_rng(seed))
    adam = torch.optim.Adam(network.parameters(), lr=mnist_vae.LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, epochs * len(loader))
    for _ in range(epochs):
        for batch, _ in loader:
            x = torch.from_numpy(batch)
            adam.zero_grad()
            mean_nats(network(x, torch.randn(len(x), mnist_vae.LATENT)), x).backward()
            adam.step()
            schedule.step()
    x, noise, _ = map(torch.from_numpy, mnist_vae.held_out(images))
    with torch.no_grad():
        return float(mean_nats(network(x, noise), x))
