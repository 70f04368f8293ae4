"""Report of a diagnosis: the findings as text and as a page with pictures."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from math import isfinite, log10

from tinygrad_edu.shared.display.html import Inline
from tinygrad_edu.shared.files import write_result

__all__ = ["Diagnosis", "Finding"]


@dataclass(frozen=True)
class Finding:
    """A fault of a training.

    Parameters
    ----------
    name : str
        Name of the fault, such as "dead_units".
    where : str
        The layer, the parameters or the part of the batch.
    measured : str
        The measured numbers.
    threshold : str
        What a right program has.
    source : str
        Source of the threshold.
    fix : str
        What to do next.

    Examples
    --------
    >>> finding = Finding("rate_too_low", "optimizer", "1e-09", "at least 1e-06", "CS231n", "Raise the rate.")
    >>> print(finding)
    rate_too_low in optimizer
        measured   1e-09
        threshold  at least 1e-06
        source     CS231n
        fix        Raise the rate.
    """

    name: str
    where: str
    measured: str
    threshold: str
    source: str
    fix: str

    def rows(self) -> dict[str, str]:
        """Return the texts below the head, by name."""
        return {key: getattr(self, key) for key in ("measured", "threshold", "source", "fix")}

    def __str__(self) -> str:
        return "\n".join([f"{self.name} in {self.where}", *(f"    {key:9}  {x}" for key, x in self.rows().items())])


@dataclass(frozen=True, repr=False)
class Diagnosis:
    """The report of `diagnose`. Its repr is a text, and notebooks display its page.

    Parameters
    ----------
    findings : list of Finding
        The faults in the order of causes: data, loss, graph, mode, signal, rate, overfitting.
    in_order : list of str
        Names of the checks that found no fault.
    not_checked : dict of str to str
        Names of the checks whose result the arguments do not determine, and the reason.
    gradients : dict of str to float, default {}
        Norm of the gradient of each layer's output at the start, in the order of the calls.
    updates : dict of str to float, default {}
        Largest ratio of the norms of update and weight within the steps, by weight.
    losses : list of float, default []
        Loss before each step.

    Examples
    --------
    >>> Diagnosis([], ["no_gradient"], {"rate_too_low": "no optimizer was given"})
    No finding. 1 check is in order, 1 was not possible.
    In order: no_gradient.
    Not checked:
        rate_too_low: no optimizer was given
    """

    findings: list[Finding]
    in_order: list[str]
    not_checked: dict[str, str]
    gradients: dict[str, float] = field(default_factory=dict)
    updates: dict[str, float] = field(default_factory=dict)
    losses: list[float] = field(default_factory=list)

    def page(self, path: str | os.PathLike[str]) -> None:
        """Write the report as a standalone HTML page, with pictures of gradients, updates and losses.

        Parameters
        ----------
        path : path
            Path of the file, which is written atomically.

        Raises
        ------
        DataError
            The file cannot be written.
        """
        write_result("the page", path, self._page().encode())

    def _summary(self) -> str:
        count, good, other = len(self.findings), len(self.in_order), len(self.not_checked)
        found = "No finding." if not count else "1 finding." if count == 1 else f"{count} findings."
        checks = "1 check is" if good == 1 else f"{good} checks are"
        return f"{found} {checks} in order, {other} {'was' if other == 1 else 'were'} not possible."

    def __repr__(self) -> str:
        lines = [self._summary(), *(f"{k}. {finding}" for k, finding in enumerate(self.findings, 1))]
        if self.gradients:
            width, lengths = max(map(len, self.gradients)), _lengths(self.gradients)
            lines.append("Norm of the gradient of each layer's output, on a logarithmic scale:")
            rows = self.gradients.items()
            lines += [f"    {name:{width}}  {x:<8.2g} {'#' * round(30 * lengths[name])}".rstrip() for name, x in rows]
        lines += [f"In order: {', '.join(self.in_order)}."] if self.in_order else []
        lines += ["Not checked:"] if self.not_checked else []
        return "\n".join([*lines, *(f"    {name}: {reason}" for name, reason in self.not_checked.items())])

    def _repr_html_(self) -> str:
        style = "width:100%;height:640px;border:0"
        return f'<iframe title="Diagnosis" srcdoc="{escape(self._page())}" sandbox style="{style}"></iframe>'

    def _page(self) -> str:
        found = "".join(
            f"<article><h2>{k}. <b>{finding.name}</b> in {escape(finding.where)}</h2><dl>{_terms(finding.rows())}</dl></article>"
            for k, finding in enumerate(self.findings, 1)
        )
        pictures = _bars("Gradient of each layer's output", "norm, on a logarithmic scale", self.gradients)
        pictures += _bars("Largest update of each weight", "norm of the update over norm of the weight", self.updates)
        pictures += _curve(self.losses)
        good = "".join(f"<li>{name}</li>" for name in self.in_order)
        return _PAGE.format(
            summary=self._summary(), found=found, pictures=pictures, good=good, other=_terms(self.not_checked)
        )


def _lengths(values: Mapping[str, float]) -> dict[str, float]:
    """Return the length of each bar, from 0 to 1, on a logarithmic scale of at least three decades."""
    logs = {name: log10(x) for name, x in values.items() if x > 0 and isfinite(x)}
    top = max(logs.values(), default=0.0)
    low = min([*logs.values(), top - 3]) - 0.5
    return {name: (logs[name] - low) / (top - low) if name in logs else float(x > 0) for name, x in values.items()}


def _terms(rows: Mapping[str, str]) -> str:
    return "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in rows.items())


def _bars(title: str, unit: str, values: Mapping[str, float]) -> str:
    lengths = _lengths(values)
    bars = "".join(
        f'<div class="bar"><span>{escape(name)}</span><i><b style="width:{100 * lengths[name]:.1f}%"></b></i>'
        f"<output>{x:.2g}</output></div>"
        for name, x in values.items()
    )
    return f"<section><h3>{title}</h3><p>{unit}</p>{bars}</section>" if values else ""


def _curve(losses: Sequence[float]) -> str:
    """Return a picture of the loss over the steps."""
    finite = [x for x in losses if isfinite(x)]
    if len(finite) < 2:
        return ""
    low, high = min(finite), max(finite)
    points = [(300 * k / (len(losses) - 1), 90 - 80 * (x - low) / (high - low or 1)) for k, x in enumerate(losses)]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points if isfinite(y))
    text = f"{losses[0]:.4g} before the first step, {losses[-1]:.4g} before the last"
    line = f'<svg viewBox="-6 0 312 100" role="img" aria-label="{text}"><polyline points="{drawn}"/></svg>'
    return f"<section><h3>Loss before each step</h3><p>{text}</p>{line}</section>"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Diagnosis</title>
<style>
:root {{ color-scheme: light dark; --paper: #f6f4ef; --card: #fff; --ink: #1f2328; --soft: #5d6269; --line: #e2ded5;
  --bad: #c2410c; --value: #2563b8; }}
@media (prefers-color-scheme: dark) {{ :root {{ --paper: #14161a; --card: #1c1f25; --ink: #e7e5e0; --soft: #a3a8b0;
  --line: #2d3139; --bad: #ff9d5c; --value: #7db1ff; }} }}
* {{ box-sizing: border-box; }}
body {{ max-width: 1080px; margin: 0 auto; padding: 16px; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif; overflow-wrap: anywhere; }}
h1 {{ font-size: 20px; margin: 0; }} h2 {{ font-size: 16px; margin: 0 0 6px; font-weight: 400; }}
h3 {{ font-size: 15px; margin: 0; }} p, .good, dt {{ color: var(--soft); margin: 2px 0 8px; }}
article, section {{ background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 12px 14px; }}
article {{ margin: 10px 0; border-left: 4px solid var(--bad); }} h2 b {{ color: var(--bad); }}
dl {{ display: grid; grid-template-columns: minmax(80px, auto) 1fr; gap: 2px 14px; margin: 0; }} dt, dd {{ margin: 0; }}
main {{ display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); gap: 10px; margin: 10px 0; }}
.bar {{ display: grid; grid-template-columns: 9em 1fr 4.5em; gap: 8px; align-items: center; font-size: 13px; }}
.bar i {{ height: 10px; border-radius: 5px; background: var(--line); overflow: hidden; }}
.bar b {{ display: block; height: 100%; background: var(--value); }} .bar output {{ text-align: right; }}
svg {{ width: 100%; }} polyline {{ fill: none; stroke: var(--value); stroke-width: 2; }}
.good {{ padding: 0; list-style: none; display: flex; flex-wrap: wrap; gap: 4px 14px; margin: 2px 0 12px; }}
</style></head>
<body><h1>Diagnosis</h1><p>{summary}</p>{found}<main>{pictures}</main>
<h3>In order</h3><ul class="good">{good}</ul><h3>Not checked</h3><dl>{other}</dl></body></html>
"""
