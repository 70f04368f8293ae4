"""The measurements of a program: a copy runs its batches, takes a few steps, and runs the batches again."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from itertools import chain, cycle, islice
from typing import Any, NamedTuple

import numpy as np
from numpy import ndarray

from tinygrad_edu.core.module import walk
from tinygrad_edu.engine import Tensor, enable_grad, values_of
from tinygrad_edu.engine.modes import Mode
from tinygrad_edu.errors import DTypeError, ShapeError
from tinygrad_edu.nn import Module
from tinygrad_edu.nn.batching import as_tensors, inputs_and_target, num_samples
from tinygrad_edu.nn.randomness import random_stream, stream_of, stream_seeds
from tinygrad_edu.optim import Optimizer
from tinygrad_edu.parallel.gradients import leaf_gradients, roots_of, scalar
from tinygrad_edu.shared.pytree import tree_leaves
from tinygrad_edu.tape.reading import nodes_behind
from tinygrad_edu.training.diagnosis.probe import LossCall, SignalProbe
from tinygrad_edu.training.rng_discovery import find_generators, random_sources
from tinygrad_edu.training.train_step import optimizer_parameters

_REFUSALS = (DTypeError, IndexError, ShapeError, ValueError)  # errors of losses for wrong targets


class Training(NamedTuple):
    """What a training consists of."""

    model: Module
    loss: Callable[[Any, Any], Any]
    optimizer: Optimizer | None

    def copied(self) -> Training:
        """Return a deep copy, which shares the results of ops that the model keeps."""
        kept = [part for _, part in walk(self.model) if isinstance(part, Tensor) and not part.is_leaf]
        copy: Training = deepcopy(self, {id(part): part for part in kept})
        return copy

    def tensors(self) -> dict[str, Tensor]:
        """Return the parameters of the model, the loss and the optimizer by name, each once."""
        of_loss = self.loss.named_parameters() if isinstance(self.loss, Module) else []
        others = [] if self.optimizer is None else optimizer_parameters(self.optimizer)
        names: dict[Tensor, str] = {x: f"parameter {k} of the optimizer" for k, x in enumerate(others)}
        names |= {x: f"loss.{name}" for name, x in of_loss} | {x: name for name, x in self.model.named_parameters()}
        return {name: x for x, name in names.items()}

    def output(self, batch: Any) -> Any:
        """Return the output of the model for a batch."""
        return self.model(*as_tensors(inputs_and_target(batch)[0]))

    def value(self, batch: Any) -> Tensor:
        """Return the loss of a batch."""
        return scalar(self.loss(self.output(batch), batch[-1]))

    def step(self, batch: Any, seed: ndarray) -> float:
        """Take an optimizer step, and return the loss before it. All layers draw from a stream of the seed."""

        def closure() -> Tensor:
            for tensor in self.tensors().values():
                tensor.zero_grad()
            with random_stream(stream_of(seed)):
                loss = self.value(batch)
            if loss.requires_grad:
                loss.backward()
            return loss

        assert self.optimizer is not None
        return float(self.optimizer.step(closure).item())


class Evidence:
    """The measurements of a copied program."""

    def __init__(self, given: Training, batches: list[Any], rng: np.random.Generator) -> None:
        self.given, self.batches, self.program = given, batches, given.copied()
        self.names, self.seeds = self.program.tensors(), stream_seeds(rng, len(batches))
        self.reached: dict[str, None] = {}  # names of the parameters on the tape
        self.stray: dict[str, None] = {}  # shapes of other tensors on it that require a gradient
        self.scores: list[LossCall] = []  # of each batch, with its labels
        self.updates: dict[str, float] = {}  # largest norm of an update over that of the weight
        self.losses, self.after, self.fitted = list[float](), list[float](), list[float]()
        self.outside = False  # whether a function uses a parameter of the caller, not of the copy
        self.pairs: tuple[Any, ...] = ()  # shapes of an output and a target that broadcast to a square
        self.samples = 0
        self.problem: Exception | None = None
        self.is_refused = False  # whether it is the loss that raised the problem, as it does for a wrong target
        self.probe = self.later = SignalProbe(self.program.model)
        self.start = self._run(self.probe)

    def _run(self, probe: SignalProbe) -> list[float]:
        losses: list[float] = []
        for batch, seed in zip(self.batches, self.seeds, strict=True):
            probe.begin()
            out = None
            with random_stream(stream_of(seed)), enable_grad(), Mode(observer=probe):
                try:
                    out = self.program.output(batch)
                    loss = scalar(self.program.loss(out, batch[-1]))
                except Exception as error:
                    self.problem, self.is_refused = error, out is not None and isinstance(error, _REFUSALS)
                    return losses
                probe.end(out)
                if probe is self.probe:
                    self._read_graph(out, loss, batch[-1])
                leaf_gradients(roots_of(loss), list(self.names.values()))
            losses.append(float(loss.item()))
        probe.close()
        return losses

    def again(self) -> list[Tensor]:
        """Return the losses of the batches, computed again."""
        return [self.program.value(batch) for batch in self.batches]

    def unknown(self, check: str) -> str:
        """Return why a check is not possible, if a batch raised an error, or an empty string."""
        is_known = self.problem is None or check in ("unscaled_inputs", "bad_labels", "evaluation_mode")
        return "" if is_known else f"a batch raised {type(self.problem).__name__}"

    @property
    def untrained(self) -> str:
        """The reason why there are no steps, or an empty string."""
        if self.program.optimizer is None:
            return "no optimizer was given"
        if self.outside:
            return "a function uses the parameters of the caller, which the steps of a copy do not change"
        return "" if self.losses else "the loss at the start is not finite"

    def train(self, steps: int) -> None:
        """Take steps, and measure the updates, and the passes of the batches after them."""
        sizes = {name: np.linalg.norm(x.numpy()) for name, x in self.names.items()}  # 0: the first ratios say nothing
        for batch, seed in islice(cycle(zip(self.batches, self.seeds, strict=True)), steps):
            before = {name: x.numpy().astype(np.float64) for name, x in self.names.items() if x.ndim > 1}
            self.losses.append(self.program.step(batch, seed))
            for name, x in before.items():
                if (size := np.linalg.norm(x)) and name in self.reached and sizes[name]:
                    ratio = float(np.linalg.norm(self.names[name].numpy() - x) / size)
                    self.updates[name] = max(self.updates.get(name, 0.0), ratio)
            if not np.isfinite([self.losses[-1], *self.updates.values()]).all():
                self.after = [np.nan]
                return
        self.later = SignalProbe(self.program.model)
        self.after = self._run(self.later)

    def overfit(self, steps: int) -> None:
        """Fit the first batch with another copy, and keep its losses."""
        program = self.given.copied()
        self.fitted = [program.step(self.batches[0], self.seeds[0]) for _ in range(steps + 1)]

    def _read_graph(self, out: Any, loss: Tensor, target: Any) -> None:
        """Find the parameters behind a loss, and its last softmax or cross entropy with labels that fit."""
        nodes = nodes_behind(node for node, _ in roots_of(loss))
        ours = {x._node: name for name, x in self.names.items()}
        theirs = {x._node: name for name, x in zip(self.names, self.given.tensors().values(), strict=True)}
        for node in (node for node in nodes if node.op is None and node.time < self.probe.began):
            self.outside |= node in theirs
            name = ours.get(node) or theirs.get(node)
            (self.reached if name else self.stray)[name or str(node.shape)] = None
        self.samples += num_samples(target)
        leaves = [np.asarray(values_of(y)) for y in tree_leaves(target) if isinstance(y, Tensor | ndarray)]
        for score, y in ((s, y) for s in reversed(self.probe.scores) if s.node in nodes for y in leaves):
            if (labels := score.labels_in(y)) is not None:
                later = {node.op.name for node in nodes if node.op and node.time > score.node.time}
                is_masked, has_one = bool(later & {"where", "multiply"}), labels.size == len(y)
                self.scores.append(score._replace(labels=labels, is_masked=is_masked, has_one=has_one))
                break
        for a, b in ((x.shape, y.shape) for x in tree_leaves(out) if isinstance(x, Tensor) for y in leaves):
            if {len(a), len(b)} == {1, 2} and a[0] == b[0] > 1 == max((*a[1:], *b[1:])):
                self.pairs = (a, b) if any(node.shape == (a[0], a[0]) for node in nodes) else self.pairs


@contextmanager
def kept_generators(*parts: Any) -> Iterator[None]:
    """Context manager that restores the generators which the parts hold, and the global ones, at the end."""
    found = [find_generators(part) if isinstance(part, Module) else random_sources(part) for part in parts]
    sources = chain(*(each.values() for each in found), [np.random.get_state.__self__, random.getstate.__self__])  # type: ignore[attr-defined]
    restorers = [_restorer(source) for source in sources]
    try:
        yield
    finally:
        for restore in restorers:
            restore()


def _restorer(source: Any) -> Callable[[], None]:
    """Return a function that sets a generator to its state of now."""
    if isinstance(source, np.random.Generator):
        return partial(setattr, source.bit_generator, "state", source.bit_generator.state)
    if isinstance(source, random.Random):
        return partial(source.setstate, source.getstate())
    return partial(source.set_state, source.get_state())
