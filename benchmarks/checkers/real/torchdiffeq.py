"""The solvers of torchdiffeq, with their adjoints and events."""

import torch
import torchdiffeq

from benchmarks.checkers.real.case import Case, Domain, Judged
from benchmarks.checkers.real.case import torch as row

STATE = Domain(-2.0, 2.0, (2,))
PARAMETERS = Domain(0.2, 1.5, (2,))
STEPS = Domain(0.1, 0.3, (2,))  # between the times
SHORT = Domain(0.05, 0.1, (2,))  # of adaptive solvers, which are slow
START = Domain(0.0, 1.0, ())
FIXED = "euler", "midpoint", "heun2", "heun3", "rk4", "explicit_adams", "implicit_adams"
ADAPTIVE = "dopri8", "dopri5", "bosh3", "fehlberg2", "adaptive_heun"
TIGHT = {"rtol": 1e-7, "atol": 1e-8}
SLOW = "narrow dtypes", "batching", "layouts", "linearity", "subsets of inputs", "jvp equals vjp", "later calls"


class Pendulum(torch.nn.Module):
    """A driven pendulum, y'' = -p[0] sin(y) - p[1] y' + sin(2 t)."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, t, y):
        """Return the slope."""
        return torch.stack([y[1], -self.p[0] * torch.sin(y[0]) - self.p[1] * y[1] + torch.sin(2 * t)])


def solution(y, p, steps, **options):
    return torchdiffeq.odeint(Pendulum(p), y, steps.cumsum(0), **options)


def at_fixed_times(y, p, **options):
    return solution(y, p, torch.tensor([0.1, 0.1]).to(y), **options)


def adjoint(y, p, steps, **options):
    return torchdiffeq.odeint_adjoint(Pendulum(p), y, steps.cumsum(0), adjoint_params=(p,), **options)


def backwards(y, p, steps, **options):
    return solution(y, p, -steps, **options)


def parts(y, p, steps, **options):
    """Solve for a tuple of states of different shapes."""

    def slope(t, state):
        return state[1][0] * p[0], -state[0].reshape(1) * p[1] + t

    return torchdiffeq.odeint(slope, (y[0], y[1:]), steps.cumsum(0), **options)


def event(y, p, t0, interface=torchdiffeq.odeint, **options):
    """Solve until the angle, with a velocity of 3 and more, is 0.5."""
    y = torch.stack([0.1 * y[0], 3 + y[1] ** 2])
    options = {**options, "adjoint_params": (p,)} if interface is torchdiffeq.odeint_adjoint else options

    def event_fn(t, y):
        return (y[0] - 0.5).reshape(1)

    return torchdiffeq.odeint_event(Pendulum(p), y, t0, event_fn=event_fn, odeint_interface=interface, **options)


def tight(name, f, domains=(STATE, PARAMETERS, SHORT), accuracy=1e-5, **options):
    """Check a solution with the accuracy of the tolerances, by the laws that take few calls."""
    options = {"method": "dopri5", "options": {"first_step": 0.05}, **TIGHT, **options}
    return row(name, lambda *x: f(*x, **options), *domains, accuracy=accuracy, skip=SLOW)


CASES: list[Case] = [
    *[
        row(
            f"torchdiffeq.odeint, {method}", lambda *x, m=method: solution(*x, method=m), STATE, PARAMETERS, STEPS
        )
        for method in FIXED
    ],
    row(
        "torchdiffeq.odeint, rk4, step_size",
        lambda *x: solution(*x, method="rk4", options={"step_size": 0.07}),
        STATE,
        PARAMETERS,
        STEPS,
        accuracy=1e-6,
        skip=SLOW,
    ),
    row(
        "torchdiffeq.odeint, midpoint, cubic",
        lambda *x: solution(*x, method="midpoint", options={"step_size": 0.07, "interp": "cubic"}),
        STATE,
        PARAMETERS,
        Domain(0.1, 0.3, (2,), special=(0.2, 0.25)),
    ),
    row("torchdiffeq.odeint, rk4, order 2", lambda y, p: solution(y, p, torch.ones(2).to(y), method="rk4"),
        STATE, PARAMETERS, order=2),
    tight("torchdiffeq.odeint, dopri5", solution),
    *[
        tight(f"torchdiffeq.odeint, {method}, states", at_fixed_times, (STATE, PARAMETERS), 1e-3, method=method,
              rtol=1e-4, atol=1e-6)
        for method in ADAPTIVE
    ],
    tight("torchdiffeq.odeint, dopri5, backwards", backwards),
    row("torchdiffeq.odeint, rk4, backwards", lambda *x: backwards(*x, method="rk4"), STATE, PARAMETERS, STEPS),
    tight("torchdiffeq.odeint, tuple", parts),
    row("torchdiffeq.odeint, tuple, heun3", lambda *x: parts(*x, method="heun3"), STATE, PARAMETERS, STEPS),
    tight("torchdiffeq.odeint_adjoint", adjoint),
    tight("torchdiffeq.odeint_adjoint, seminorm", adjoint, adjoint_options={"norm": "seminorm", "first_step": 0.05}),
    tight("torchdiffeq.odeint_adjoint, backwards", lambda y, p, s, **options: adjoint(y, p, -s, **options)),
    tight("torchdiffeq.odeint_event", event, (STATE, PARAMETERS, START)),
    tight("torchdiffeq.odeint_event, adjoint", event, (STATE, PARAMETERS, START), interface=torchdiffeq.odeint_adjoint),
]  # fmt: skip
STEP_SIZES = Judged("accuracy", "the gradient takes the sizes of the steps as constants, up to the tolerance.")
JUDGED = {
    "torchdiffeq.odeint, bosh3, states": STEP_SIZES,
    "torchdiffeq.odeint, fehlberg2, states": STEP_SIZES,
}
