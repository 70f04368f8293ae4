"""A difference as a short Python script, which raises while the difference exists."""

import re
from typing import Any

import numpy as np

from tinygrad_edu.engine import Array
from tinygrad_edu.testing.arrays.code_repr import code
from tools.campaign.numbers.judges import Cotangents, Finding, Ours, Theirs, attempt
from tools.campaign.numbers.program import Program, Step, quiet
from tools.campaign.numbers.reducing import GENERIC, MANY, generic

PARTS = """
def parts(x):
    return [y for part in x for y in parts(part)] if isinstance(x, tuple | list) else [] if x is None else [x]
"""
TOTAL = """
def total(results, cotangents):
    return sum((r * c).sum() for r, c in zip(results, cotangents) if c is not None)
"""


def script(program: Program, finding: Finding) -> str:
    """Return a script that computes both results and compares them."""
    with quiet():
        return "\n".join(_lines(program, finding)) + "\n"


def _lines(program: Program, finding: Finding) -> list[str]:
    torch = finding.judge == "PyTorch"
    lines = ["import warnings", "", "import numpy as np", *(["import torch"] if torch else []), ""]
    lines += ["import tinygrad_edu as tg", "", 'warnings.simplefilter("ignore")']
    lines += [f"{_plain(name)} = {_written(x)}" for name, x in program.inputs.items()]
    for step in program.steps:
        if step.module:
            name, ours, theirs, trains = step.module
            lines += [f"ours_{name} = {ours}.astype(np.float64).train({trains})"]
            lines += [f"theirs_{name} = {theirs}.double().train({trains})"]
    return lines + [PARTS] + (_by_pytorch(program, finding) if torch else _by_numpy(program, finding))


def _written(x: Array) -> str:
    if x.size > MANY and x.dtype.kind == "f" and np.array_equal(x, generic(x)):
        return GENERIC.format(shape=x.shape, dtype=x.dtype.name)
    return code(x)


def _plain(name: str) -> str:
    return name.replace(".", "_")


def _function(side: str, program: Program, arguments: list[str]) -> list[str]:
    lines, results = [f"def {side}({', '.join(map(_plain, arguments))}):"], []
    for step in program.steps:
        if step.module:
            lines.append(f"    {step.module[0]} = {_layer(side, program, step)}")
        lines.append(f"    p{step.name} = parts({step.theirs if side == 'theirs' else step.ours})")
        lines.append(f"    {step.name} = p{step.name}[{step.part}]")
        results.append(f"p{step.name}")
    return [*lines, f"    return {' + '.join(results)}", ""]


def _layer(side: str, program: Program, step: Step) -> str:
    assert step.module
    name = step.module[0]
    state = ", ".join(
        f"{key[len(name) + 1 :]!r}: {_plain(key)}" for key in program.inputs if key.startswith(f"{name}.")
    )
    call = f"{side}_{name}, {{{state}}}"
    if side == "ours":
        return f"lambda *a, **k: tg.nn.functional_call({call}, *a, **k)"
    return f"lambda *a, **k: torch.func.functional_call({call}, a, k)"


def _by_pytorch(program: Program, finding: Finding) -> list[str]:
    variables = program.variables
    constants = [name for name in program.inputs if name not in variables]
    lines = _function("ours", program, variables) + _function("theirs", program, variables)
    inputs = ", ".join(map(_plain, variables))
    lines.append(f"t = [tg.from_numpy(x, requires_grad=True) for x in [{inputs}]]")
    lines.append(f"u = [torch.tensor(x.copy(), requires_grad=True) for x in [{inputs}]]")
    # call ours before the constants become PyTorch tensors
    to_torch = [f"{_plain(name)} = torch.tensor({_plain(name)})" for name in constants]
    stage = finding.stage.partition(",")[0]
    if stage in ("values", "shapes"):
        ours, theirs = "ours(*t)", "theirs(*u)"
        found = ["found = " + ours, *to_torch, "wanted = " + theirs]
    else:
        c, v = _cotangents(program)
        lines += [TOTAL, f"c = {code(c)}", "c_torch = [None if x is None else torch.tensor(x) for x in c]"]
        lines += ["def first_of_ours(*t):"]
        lines += ["    return tg.grad(lambda *t: total(ours(*t), c), tuple(range(len(t))))(*t)", ""]
        lines += ["def pulled(y, u):"]
        lines += ["    found = torch.autograd.grad(y, u, create_graph=True, allow_unused=True)"]
        lines += ["    return [torch.zeros_like(x) if g is None else g for x, g in zip(u, found)]", ""]
        found = ["found = first_of_ours(*t)", *to_torch, "wanted = pulled(total(theirs(*u), c_torch), u)"]
        if stage == "second":
            lines.append(f"v = {code(v)}")
            found[0] = "found = tg.grad(lambda *t: total(first_of_ours(*t), v), tuple(range(len(t))))(*t)"
            found += ["wanted = pulled(total(wanted, [torch.tensor(x) for x in v]), u)"]
    lines += found
    lines += ["for x, y in zip(found, wanted):"]
    lines += ["    x, y = np.asarray(getattr(x, 'data', x), float), y.detach().numpy().astype(float)"]
    if stage == "second":
        lines += ["    x = np.where(np.isfinite(y), x, y)"]
    lines += [
        "    np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12 * np.max(abs(y), initial=0, where=np.isfinite(y)))"
    ]
    return lines


def _cotangents(program: Program) -> tuple[list[Any], list[Any]]:
    """Return the cotangents of results and of first gradients; None for a result without a gradient."""
    ours, theirs = attempt(lambda: Ours(program)), attempt(lambda: Theirs(program, program.inputs))
    both = [a and b for a, b in zip(ours.smooth, theirs.smooth, strict=True)]
    drawn = Cotangents(program.seed)
    first = iter(drawn.of([x.shape for x, smooth in zip(ours.results, both, strict=True) if smooth], 1))
    second = drawn.of([program.inputs[name].shape for name in program.variables], 2)
    return [next(first) if smooth else None for smooth in both], second


def _by_numpy(program: Program, finding: Finding) -> list[str]:
    """Return lines that compare results on arrays or Tensors with NumPy's functions of the same names."""
    on_tensors = finding.judge != "NumPy"
    (step,) = program.steps
    calls = [f"    return parts({step.ours if on_tensors else step.numpys})"]
    names = ", ".join(program.inputs)
    numpys = ["    return parts(" + re.sub(r"\btg\.", "np.", step.numpys) + ")"]
    tensors = [name if name in program.constants else f"tg.from_numpy({name})" for name in program.inputs]
    lines = [f"def ours({names}):", *calls, "", f"def numpys({names}):", *numpys, ""]
    lines += [f"wanted = numpys({names})", f"found = ours({', '.join(tensors if on_tensors else program.inputs)})"]
    lines += ["for x, y in zip(found, wanted, strict=True):"]
    lines += ["    x, y = np.asarray(getattr(x, 'data', x)), np.asarray(y)"]
    if on_tensors:
        lines += [f"    y = y.astype({finding.theirs.dtype.name!r})"] if finding.stage in ("dtypes", "values") else []
    lines += [
        "    np.testing.assert_allclose(x, y, rtol=8 * np.finfo(x.dtype).eps if x.dtype.kind == 'f' else 0, atol=0)"
    ]
    lines += ["    assert x.dtype == y.dtype, (x.dtype, y.dtype)"]
    lines += ["    assert (np.signbit(x) == np.signbit(y)).all()" if finding.stage == "values" else ""]
    return lines
