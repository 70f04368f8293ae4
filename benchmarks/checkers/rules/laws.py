"""Vjps that break laws: not linear in g, dependent on earlier calls, or writing into arrays of the caller."""

from benchmarks.checkers.functions import EXP, MULTIPLY, OTHER, SIN, SQUARE, SQUARED, TANH, VECTOR
from benchmarks.checkers.rule import Function, Rule, everywhere, summed_to


def clipped(m, g):
    return m.where(m.abs(g) > 1, g / m.abs(g), g)


def written_over(m, g, out, x, y):
    gradients = summed_to(m, g * y, x), summed_to(m, g * x, y)
    m.spoil(g)
    return gradients


def input_written_over(m, g, out, x):
    gradient = 2 * g * x
    m.spoil(x)
    return (gradient,)


def result_written_over(m, g, out, x):
    gradient = g * out + 0
    m.spoil(out)
    return (gradient,)


def remembering(m, x):
    """Compute a sine, and store a copy of x."""
    m.memory["x"] = m.constant(x) + 0
    return m.sin(x)


REMEMBERED = Function(remembering, SIN.backward)


def of_the_last_input(m, g, out, x):
    return (g * m.cos(m.memory["x"] + (x - m.constant(x))) if m.memory["x"].shape == x.shape else g * m.cos(x),)


def of_the_first_input(m, g, out, x):
    kept = m.memory.setdefault("x", m.constant(x))
    return (g * (1 - out * out) if kept.shape != x.shape else g * (1 - m.tanh(kept + x - m.constant(x)) * out),)


def added_up(m, g, out, x):
    gradient, before = g * m.cos(x), m.memory.get("sum")
    gradient = gradient if before is None or before.shape != x.shape else gradient + before
    m.memory["sum"] = m.constant(gradient) + 0
    return (gradient,)


def in_one_buffer(m, g, out, x):
    """Return all gradients of the same shape and dtype in one array."""
    gradient = m.constant(g * out)
    buffer = m.memory.setdefault((tuple(x.shape), str(x.dtype)), gradient)
    if buffer is not gradient:
        m.fill(buffer, gradient)
    return (buffer + (g * out - gradient) if m.is_recorded(g * out) else buffer,)


def every_second_call(m, g, out, x):
    m.memory["calls"] = m.memory.get("calls", 0) + 1
    return (g * m.cos(x) * (1.001 if m.memory["calls"] % 2 == 0 else 1.0),)


WRONG = [
    Rule("slightly quadratic in g", SIN, lambda m, g, out, x: (g * m.cos(x) * (1 + 0.001 * g),), (VECTOR,)),
    Rule("g clipped to 1", SIN, lambda m, g, out, x: (clipped(m, g) * m.cos(x),), (VECTOR,)),
    Rule("sign of g instead of g", EXP, lambda m, g, out, x: (
        m.where(g > 0, out, m.where(g < 0, -out, 0 * g)),), (VECTOR,)),
    Rule("g rounded to float32", SIN, lambda m, g, out, x: (m.single(g) * m.cos(x),), (VECTOR,)),
    Rule("constant added", EXP, lambda m, g, out, x: (g * out + 0.001,), (VECTOR,)),
    Rule("divided by the sum of g", SQUARED, lambda m, g, out, x: (
        2 * g * x / everywhere(m, m.sum, g * g),), (VECTOR,)),
    Rule("g overwritten", MULTIPLY, written_over, (SQUARE, OTHER)),
    Rule("input overwritten", SQUARED, input_written_over, (VECTOR,)),
    Rule("result overwritten", EXP, result_written_over, (VECTOR,)),
    Rule("uses the input of a later call", REMEMBERED, of_the_last_input, (VECTOR,)),
    Rule("uses the input of the first call", TANH, of_the_first_input, (VECTOR,)),
    Rule("accumulates its gradients", SIN, added_up, (VECTOR,)),
    Rule("reuses one buffer", EXP, in_one_buffer, (VECTOR,)),
    Rule("every second call off by 0.001", SIN, every_second_call, (VECTOR,)),
]  # fmt: skip
