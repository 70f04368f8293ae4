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
        lines = [self._summary(), *(f"{k}. {finding}" for k, finding in enumerate(self.findings, 1))]
        width, lengths = max(map(len, self.gradients), default=0), _lengths(self.gradients)
        lines += ["Norm of the gradient of each layer's output, on a logarithmic scale:"] if self.gradients else []
        for name, x in self.gradients.items():
            lines.append(f"    {name:{width}}  {x:<8.2g} {'#' * round(30 * lengths[name])}".rstrip())
        lines += [f"In order: {', '.join(self.in_order)}"] if self.in_order else []
        lines += ["Not checked:"] if self.not_checked else []
        return "\n".join([*lines, *(f"    {name}: {reason}" for name, reason in self.not_checked.items())])

    def page(self, path: str | os.PathLike[str]) -> None:
        """Write a standalone HTML page with pictures, atomically. Raise DataError if it cannot be written."""
        found = "".join(f"<h2>{k}. {x.name} in {escape(x.where)}</h2>{_terms([*vars(x).items()][2:])}"
                        for k, x in enumerate(self.findings, 1))  # fmt: skip
        pictures = _bars("Norm of the gradient of each layer's output", self.gradients)
        pictures += _bars("Largest update of each weight, divided by its norm", self.updates)
        pictures += _bars("Loss before each step", {f"step {k}": x for k, x in enumerate(self.losses)})
        other = f"<h3>In order</h3><p>{', '.join(self.in_order)}</p><h3>Not checked</h3>"
        body = f"<h1>Diagnosis</h1><p>{self._summary()}</p>{found}<main>{pictures}</main>{other}"
        write_result("the page", path, f"{_HEAD}{body}{_terms([*self.not_checked.items()])}</html>\n".encode())

    def _summary(self) -> str:
        return f"Findings: {len(self.findings)}. In order: {len(self.in_order)}. Not checked: {len(self.not_checked)}."


def _lengths(values: Mapping[str, float]) -> dict[str, float]:
    """Return the length of each bar, from 0 to 1, on a logarithmic scale of at least three decades."""
    logs = {name: log10(x) for name, x in values.items() if x > 0 and isfinite(x)}
    top = max(logs.values(), default=0.0)
    low = min([*logs.values(), top - 3]) - 0.5
    return {name: (logs[name] - low) / (top - low) if name in logs else float(x > 0) for name, x in values.items()}


def _terms(rows: list[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{escape(name)}</dt><dd>{escape(text)}</dd>' for name, text in rows)}</dl>"


def _bars(title: str, values: Mapping[str, float]) -> str:
    shares = _lengths(values)
    bars = (f'<i style="--x:{shares[name]:.3f}"></i>{x:.3g}' for name, x in values.items())
    rows = zip(values, bars, strict=True)
    lines = "".join(f'<div class="bar"><span>{escape(name)}</span>{bar}</div>' for name, bar in rows)
    return f"<section><h3>{title}</h3><p>on a logarithmic scale</p>{lines}</section>" if values else ""


_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Diagnosis</title>
<meta name="viewport" content="width=device-width"><style>
:root { color-scheme: light dark; --bad: light-dark(#b93c0b, #ff9d5c); --value: light-dark(#2563b8, #7db1ff); }
body { max-width: 1080px; margin: auto; padding: 16px; font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere;
  background: light-dark(#f6f4ef, #14161a); color: light-dark(#1f2328, #e7e5e0); }
h1, h2, h3, p { margin: 0 0 6px; font-size: 15px; } h1 { font-size: 20px; } h2 { color: var(--bad); margin-top: 16px; }
p, dt { color: light-dark(#5d6269, #a3a8b0); } dd { margin: 0; }
dl { display: grid; grid-template-columns: minmax(84px, auto) 1fr; gap: 2px 14px; margin: 0 0 16px; }
main { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 20px; }
.bar { display: grid; grid-template-columns: 10em 1fr 4.5em; gap: 8px; align-items: center; font-size: 13px; }
.bar i { height: 10px; background: linear-gradient(90deg, var(--value) calc(100% * var(--x)), #8883 0); }
</style>"""
