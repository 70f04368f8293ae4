"""The vjp of an op as it stands in the source, and the same with values in the place of names."""

import inspect
import io
import textwrap
import tokenize
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tinygrad_edu.engine import Op
from tinygrad_edu.sources import source_of
from tinygrad_edu.tape.values import in_a_word


@lru_cache(maxsize=4096)
def vjp_source(op: Op, argument: str) -> str:
    """Return the text of the vjp for an argument: that of the lambda or the function alone.

    Where the source cannot be read, as in Python's own prompt before 3.13, it is the head of the function.
    """
    function = op.vjp_functions.get(argument)
    if function is None:
        return f"{op.name} has no vjp for {argument}"
    source = source_of(function)
    if source is None:
        return _head(function)
    text = source.text
    if text.startswith("(") and text.endswith(")") and "\n" in text:  # which a lambda on several lines is put into
        text = text[1:-1]
    return _dedented(text)


def _head(function: Any) -> str:
    name = getattr(function, "name", None) or getattr(function, "__name__", type(function).__name__)
    parameters = ", ".join(inspect.signature(function).parameters)
    return f"lambda {parameters}: ..." if name == "<lambda>" else f"{name}({parameters})"


def _dedented(text: str) -> str:
    """Take away what the later lines are indented by: the first begins in the middle of its own."""
    first, _, rest = text.partition("\n")
    return f"{first}\n{textwrap.indent(textwrap.dedent(rest), '    ')}" if rest and first.startswith("lambda") else text


def substituted(source: str, values: Mapping[str, Any]) -> str:
    """Return the expression of a lambda with the values of its parameters in their places; "" for another function.

    Examples
    --------
    >>> import numpy as np
    >>> substituted("lambda g, x: 2 * g * x", {"g": np.float32(1), "x": np.array([3.0, 4.0])})
    '2 * 1.0 * [3.0, 4.0]'
    """
    if not source.startswith("lambda"):
        return ""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(f"({source})").readline))[1:]
    except (tokenize.TokenError, SyntaxError):
        return ""
    body = tokens[_colon(tokens) + 1 :]
    parts: list[str] = []
    end = body[0].start
    for before, token in zip(tokens[_colon(tokens) :], body, strict=False):
        if token.type in (tokenize.NEWLINE, tokenize.ENDMARKER, tokenize.NL, tokenize.COMMENT):
            continue
        parts.append(" " if token.start != end and parts else "")
        is_value = token.type == tokenize.NAME and token.string in values and before.string != "."
        parts.append(in_a_word(values[token.string]) if is_value else token.string)
        end = token.end
    return "".join(parts).removesuffix(")").strip()


def _colon(tokens: list[tokenize.TokenInfo]) -> int:
    """Return where the parameters of a lambda end: the first colon that is in no bracket."""
    depth = 0
    for k, token in enumerate(tokens):
        depth += (token.string in "([{") - (token.string in ")]}") if token.string else 0
        if token.string == ":" and depth == 0:
            return k
    return 0
