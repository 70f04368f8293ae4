"""Writing steps: to a tensor's storage, recorded or not, and to objects that were passed to ops."""

from functools import partial
from typing import Any

import numpy as np

import tinygrad_edu as tg
from tools.campaign import statements
from tools.campaign.computing import divides_by_little, fits_into
from tools.campaign.interruptions import Act
from tools.campaign.oracle import BINARY, elementwise
from tools.campaign.program import Handle, Program


def write(program: Program) -> Act | None:
    """Write to a tensor's storage without recording."""
    x = program.pick(lambda x: x.tensor.size and program.may_write(x))
    if x is None:
        return None
    way = statements.WRITES[program.random.choice(list(statements.WRITES))]
    if x.columns and program.random.random() < 0.25:  # an optimizer step writes more than once
        way = statements.stepping(x.tensor)
    kind = program.random.choice(list(statements.VALUES))
    values = statements.VALUES[kind](program.values(x.tensor.shape))
    strict = kind == "one that overflows"
    act = partial(_strictly, way, x.tensor, values) if strict else partial(way, x.tensor, values)
    refusals = () if x.tensor.data.flags.writeable else (ValueError,)
    return _once(program, act, (statements.BrokenError, FloatingPointError, *refusals))


def _once(program: Program, act: Act, allowed: tuple[type[Exception], ...]) -> Act | None:
    """Run a write; if it was interrupted, return a function that repeats it."""
    program.run(act, allowed, chance=0.5)
    interrupted = program.interrupted
    program.look()
    program.forget_what_is_large()
    return partial(_once, program, act, allowed) if interrupted else None


def write_recorded(program: Program) -> Act | None:
    """Run a recorded in-place operator, which makes the tensor its result."""
    name = program.random.choice(list(statements.IN_PLACE))
    x = program.pick(lambda x: x.columns is None and program.may_write(x))
    y = program.pick(lambda y: fits_into(x, y)) if x is not None else None
    return _once_in_place(program, name, x, y) if y is not None else None


def _once_in_place(program: Program, name: str, x: Handle, y: Handle) -> Act | None:
    known, foreign, before = (x.read(), y.read()), x.foreign or y.foreign, x.bits
    if divides_by_little(name, known[1]):
        return None
    new = getattr(np, name)(known[0].values, known[1].values)
    if (new == known[0].values).any():
        return None  # the bits would not show whether it was written
    jacobian = elementwise(known, BINARY[name](known[0].values, known[1].values))
    program.run(lambda: statements.IN_PLACE[name](x.tensor, y.tensor), chance=0.5)
    interrupted = program.interrupted
    program.look(written=x)
    if x.bits != before:
        x.jacobian, x.foreign = jacobian, foreign or not np.allclose(x.tensor.numpy(), new, 1e-4, 1e-5)
        program.note_scale(jacobian)
        program.forget_what_is_large()
    return partial(_once_in_place, program, name, x, y) if interrupted else None


def change(program: Program) -> None:
    """Change an object that was passed to an op."""
    if program.changes:
        program.changes.pop(program.random.randrange(len(program.changes)))()
        program.look()


STEPS = (write, write, write, write, write_recorded, write_recorded, write_recorded, change, change)


def _strictly(way: statements.Write, tensor: tg.Tensor, values: Any) -> None:
    """Write values; raise at the first overflow, after a partial write."""
    with np.errstate(all="raise"):
        way(tensor, values)
