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
        rows = [f"    {key:9}  {getattr(self, key)}" for key in ("measured", "threshold", "source", "fix")]
        return "\n".join([f"{self.name} in {self.where}", *rows])


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
        width = max(map(len, self.gradients), default=0)
        bars = [f"    {name:{width}}  {x:<8.2g} {'#' * round(30 * share)}" for name, x, share in _bars(self.gradients)]
        title = ["Norm of the gradient of each layer's output, on a logarithmic scale:"] if bars else []
        return "\n".join([self._text(), *title, *bars])

    def _text(self) -> str:
        counts = f"In order: {len(self.in_order)}. Not checked: {len(self.not_checked)}."
        lines = [f"Findings: {len(self.findings)}. {counts}", *(f"{k}. {x}" for k, x in enumerate(self.findings, 1))]
        lines += [f"In order: {', '.join(self.in_order)}"] if self.in_order else []
        lines += ["Not checked:"] if self.not_checked else []
        return "\n".join([*lines, *(f"    {name}: {reason}" for name, reason in self.not_checked.items())])

    def page(self, path: str | os.PathLike[str]) -> None:
        """Write a standalone HTML page with pictures, atomically. Raise DataError if it cannot be written."""
        pictures = _table("Norm of the gradient of each layer's output", self.gradients)
        pictures += _table("Largest update of each weight, divided by its norm", self.updates)
        pictures += _table("Loss before each step", {f"step {k}": x for k, x in enumerate(self.losses)})
        write_result("the page", path, f"{_HEAD}<pre>{escape(self._text())}</pre>{pictures}</html>\n".encode())


def _bars(values: Mapping[str, float]) -> list[tuple[str, float, float]]:
    """Return each name and value, and the length of a bar, from 0 to 1, on a logarithmic scale of three decades."""
    logs = {name: log10(x) if x > 0 and isfinite(x) else 0.0 for name, x in values.items()}
    top = max(logs.values(), default=0.0)
    low = min([*logs.values(), top - 3]) - 0.5
    return [(name, x, (logs[name] - low) / (top - low)) for name, x in values.items()]


def _table(title: str, values: Mapping[str, float]) -> str:
    row = '<tr><th>{}<td><meter value="{:.3f}"></meter><td>{:.3g}'
    rows = "".join(row.format(escape(name), share, x) for name, x, share in _bars(values))
    return f"<h3>{title}</h3><p>on a logarithmic scale</p><table>{rows}</table>" if values else ""


_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Diagnosis</title>
<meta name="viewport" content="width=device-width"><style>
:root { color-scheme: light dark; } body { max-width: 900px; margin: auto; padding: 16px; font: 14px/1.5 sans-serif; }
pre, th { white-space: pre-wrap; overflow-wrap: anywhere; } th { font-weight: normal; text-align: left; width: 12em; }
table, meter { width: 100%; } td:last-child { width: 5em; }
</style>"""
