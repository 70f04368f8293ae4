"""Steps that write: into a tensor's memory, recorded or not, and into objects that ops were given."""

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
    """Write into a tensor's memory, unrecorded."""
    x = program.pick(lambda x: x.tensor.size and program.may_write(x))
    if x is None:
        return None
    way = statements.WRITES[program.random.choice(list(statements.WRITES))]
    if x.columns and program.random.random() < 0.25:  # it writes in more steps than the others
        way = statements.stepping(x.tensor)
    kind = program.random.choice(list(statements.VALUES))
    values = statements.VALUES[kind](program.values(x.tensor.shape))
    strict = kind == "one that overflows"
    act = partial(_strictly, way, x.tensor, values) if strict else partial(way, x.tensor, values)
    refusals = () if x.tensor.data.flags.writeable else (ValueError,)
    return _once(program, act, (statements.BrokenError, FloatingPointError, *refusals))


def _once(program: Program, act: Act, allowed: tuple[type[Exception], ...]) -> Act | None:
    """Run a write, and return how to do it once more if it was interrupted."""
    program.run(act, allowed, chance=0.5)
    interrupted = program.interrupted
    program.look()
    program.forget_what_is_large()
    return partial(_once, program, act, allowed) if interrupted else None


def write_recorded(program: Program) -> Act | None:
    """Write into a tensor's memory, recorded: it becomes the result of the operator."""
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
        return None  # nobody could tell by the bits whether it was written
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
    """Change an object that an op was given."""
    if program.changes:
        program.changes.pop(program.random.randrange(len(program.changes)))()
        program.look()


STEPS = (write, write, write, write, write_recorded, write_recorded, write_recorded, change, change)


def _strictly(way: statements.Write, tensor: tg.Tensor, values: Any) -> None:
    """Write values, of which one that overflows is an error half way."""
    with np.errstate(all="raise"):
        way(tensor, values)
