"""Report of a diagnosis: the findings as text and as a page with pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from math import isfinite, log10

from tinygrad_edu.shared.files import write_result

__all__ = ["Diagnosis", "Finding"]


@dataclass(frozen=True)
class Finding:
    """A fault of a training.

    Parameters
    ----------
    name, where : str
        Name of the fault, such as "dead_units", and the layer, the parameters or the part of the batch.
    measured, threshold, source, fix : str
        The measured numbers, those of a right program, the source of this threshold, and what to do next.

    Examples
    --------
    >>> print(Finding("rate_too_low", "weight", "1e-09", "at least 1e-6", "CS231n", "Raise the rate."))
    rate_too_low in weight
        measured   1e-09
        threshold  at least 1e-6
        source     CS231n
        fix        Raise the rate.
    """

    name: str
    where: str
    measured: str
    threshold: str
    source: str
    fix: str

    def __str__(self) -> str:
        return "\n".join(
            [f"{self.name} in {self.where}", *(f"    {key:9}  {x}" for key, x in [*vars(self).items()][2:])]
        )


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The report of `diagnose`. Its repr is a text.

    Parameters
    ----------
    findings : list of Finding
        The faults in the order of causes: data, loss, graph, mode, signal, rate, overfitting.
    in_order : list of str
        Names of the checks that found no fault.
    not_checked : dict of str to str
        Names of the checks whose result the arguments do not determine, and the reason.
    gradients, updates : dict of str to float, default {}
        Norm of the gradient of each layer's output, in the order of the calls, and the largest ratio of the norms of
        update and weight.
    losses : list of float, default []
        Loss before each step.

    Examples
    --------
    >>> Diagnosis([], ["no_gradient"], {"rate_too_low": "no optimizer was given"})
    Findings: 0. In order: 1. Not checked: 1.
    In order: no_gradient
    Not checked:
        rate_too_low: no optimizer was given
    """

    findings: list[Finding]
    in_order: list[str]
    not_checked: dict[str, str]
    gradients: dict[str, float] = field(default_factory=dict)
    updates: dict[str, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)

    def __repr__(self) -> str:
        width, lengths = max(map(len, self.gradients), default=0), _lengths(self.gradients)
        lines = ["Norm of the gradient of each layer's output, on a logarithmic scale:"] if self.gradients else []
        for name, x in self.gradients.items():
            lines.append(f"    {name:{width}}  {x:<8.2g} {'#' * round(30 * lengths[name])}".rstrip())
        return "\n".join([self._text(), *lines])

    def _text(self) -> str:
        counts = len(self.findings), len(self.in_order), len(self.not_checked)
        lines = ["Findings: {}. In order: {}. Not checked: {}.".format(*counts)]
        lines += [f"{k}. {finding}" for k, finding in enumerate(self.findings, 1)]
        lines += [f"In order: {', '.join(self.in_order)}"] if self.in_order else []
        lines += ["Not checked:"] if self.not_checked else []
        return "\n".join([*lines, *(f"    {name}: {reason}" for name, reason in self.not_checked.items())])

    def page(self, path: str | os.PathLike[str]) -> None:
        """Write a standalone HTML page with pictures, atomically. Raise DataError if it cannot be written."""
        pictures = _bars("Norm of the gradient of each layer's output", self.gradients)
        pictures += _bars("Largest update of each weight, divided by its norm", self.updates)
        pictures += _bars("Loss before each step", {f"step {k}": x for k, x in enumerate(self.losses)})
        write_result("the page", path, f"{_HEAD}<pre>{escape(self._text())}</pre>{pictures}</html>\n".encode())


def _lengths(values: Mapping[str, float]) -> dict[str, float]:
    """Return the length of each bar, from 0 to 1, on a logarithmic scale of at least three decades."""
    logs = {name: log10(x) for name, x in values.items() if x > 0 and isfinite(x)}
    top = max(logs.values(), default=0.0)
    low = min([*logs.values(), top - 3]) - 0.5
    return {name: (logs[name] - low) / (top - low) if name in logs else float(x > 0) for name, x in values.items()}


def _bars(title: str, values: Mapping[str, float]) -> str:
    shares = _lengths(values)
    bars = (f'<i style="--x:{shares[name]:.3f}"></i>{x:.3g}' for name, x in values.items())
    rows = zip(values, bars, strict=True)
    lines = "".join(f'<div class="bar"><span>{escape(name)}</span>{bar}</div>' for name, bar in rows)
    return f"<section><h3>{title}</h3><p>on a logarithmic scale</p>{lines}</section>" if values else ""


_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Diagnosis</title>
<meta name="viewport" content="width=device-width"><style>
:root { color-scheme: light dark; } body { max-width: 900px; margin: auto; padding: 16px; font: 14px/1.5 sans-serif; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; font: inherit; font-family: monospace; } p { opacity: 0.7; }
.bar { display: grid; grid-template-columns: minmax(6em, 12em) 1fr 5em; gap: 8px; overflow-wrap: anywhere; }
.bar i { height: 10px; margin: auto 0; background: linear-gradient(90deg, #3b82d6 calc(100% * var(--x)), #8883 0); }
</style>"""
