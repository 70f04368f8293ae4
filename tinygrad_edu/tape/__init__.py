"""The tape: the recorded graph of a computation, and its backward pass, step by step.

`show` prints the tape, a row for each node; `steps` runs `backward` and returns each call of a vjp; `watch` records all
ops and backward passes inside a ``with`` block; `page` writes a page that plays the backward pass, and `draw` draws the
graph. The steps are those of the engine, recorded by an observer, see `engine/debug/observers.py`.
"""

from tinygrad_edu.tape.drawing import draw
from tinygrad_edu.tape.player import page
from tinygrad_edu.tape.reading import RowGroup, SavedValue, TapeRow
from tinygrad_edu.tape.text import Tape, of, show
from tinygrad_edu.tape.vjps import vjp_source
from tinygrad_edu.tape.walking import VJPCall, Walk, steps, watch

__all__ = [
    "RowGroup", "SavedValue", "Tape", "TapeRow", "VJPCall", "Walk", "draw", "of", "page", "show", "steps",
    "vjp_source", "watch",
]  # fmt: skip
