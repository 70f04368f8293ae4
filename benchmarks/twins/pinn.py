"""``models.pinn``, compared with PyTorch in float64: gradients of a loss of second derivatives."""

from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.twins.steps import Comparison, compare_steps
from models import pinn


class Sine(nn.Module):
    """Sine as a module, which PyTorch lacks."""

    def forward(self, x: Any) -> Any:
        """Return the sine."""
        return torch.sin(x)


class Oscillation(nn.Module):
    """The same curve and its derivatives in PyTorch."""

    def __init__(self) -> None:
        super().__init__()
        width = pinn.WIDTH
        self.network = nn.Sequential(nn.Linear(1, width), Sine(), nn.Linear(width, width), Sine(), nn.Linear(width, 1))

    def forward(self, t: Any) -> Any:
        """Return the curve and its first two derivatives at times t."""
        t = t.requires_grad_()
        u = 1 + torch.tanh(t) ** 2 * self.network(2 / pinn.END * t - 1)
        (du,) = torch.autograd.grad(u.sum(), t, create_graph=True)
        (ddu,) = torch.autograd.grad(du.sum(), t, create_graph=True)
        return torch.cat([u, du, ddu], dim=-1)


def equation_loss(curve: Any, force: Any) -> Any:
    """Return the same loss in PyTorch."""
    u, du, ddu = curve[..., 0], curve[..., 1], curve[..., 2]
    return nn.functional.mse_loss(ddu + 2 * pinn.DAMPING * du + u, force)


def compare(steps: int = 100) -> Comparison:
    """Train both for some steps, and compare."""
    rng = np.random.default_rng(0)
    ours = pinn.Oscillation(rng).astype(np.float64)
    batches = [(rng.uniform(0, pinn.END, (pinn.BATCH, 1)), np.zeros(pinn.BATCH)) for _ in range(steps)]
    theirs = Oscillation().double()
    return compare_steps(ours, pinn.equation_loss, theirs, equation_loss, batches, lr=pinn.LEARNING_RATE)
