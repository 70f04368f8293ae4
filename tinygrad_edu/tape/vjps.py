"""Source of an op's vjps, and the same expressions with values substituted for names."""

from __future__ import annotations

import inspect
import io
import textwrap
import tokenize
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from tinygrad_edu.engine import Op
from tinygrad_edu.shared.sources import source_of
from tinygrad_edu.tape.values import in_a_word


@lru_cache(maxsize=4096)
def vjp_source(op: Op, argument: str) -> str:
    """Return the source of the lambda or function that is the vjp for an argument.

    If the source cannot be read, as at Python's prompt before 3.13, return the function's signature.
    """
    function = op.vjp_functions.get(argument)
    if function is None:
        return f"{op.name} has no vjp for {argument}"
    source = source_of(function)
    if source is None:
        return _head(function)
    text = source.text
    if text.startswith("(") and text.endswith(")") and "\n" in text:  # added around a lambda on several lines
        text = text[1:-1]
    return _dedented(text)


def _head(function: Any) -> str:
    name = getattr(function, "name", None) or getattr(function, "__name__", type(function).__name__)
    parameters = ", ".join(inspect.signature(function).parameters)
    return f"lambda {parameters}: ..." if name == "<lambda>" else f"{name}({parameters})"


def _dedented(text: str) -> str:
    """Dedent all lines but the first, which begins in the middle of a source line."""
    first, _, rest = text.partition("\n")
    return f"{first}\n{textwrap.indent(textwrap.dedent(rest), '    ')}" if rest and first.startswith("lambda") else text


def substituted(source: str, values: Mapping[str, Any]) -> str:
    """Return the expression of a lambda with values substituted for its parameters, or "" for another function.

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
    """Return the index of the colon after a lambda's parameters: the first colon outside brackets."""
    depth = 0
    for k, token in enumerate(tokens):
        depth += (token.string in "([{") - (token.string in ")]}") if token.string else 0
        if token.string == ":" and depth == 0:
            return k
    return 0
