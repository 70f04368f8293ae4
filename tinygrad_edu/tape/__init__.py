"""The tape: what was recorded of a computation, and the walk back through it, step by step.

`show` prints what was recorded, a row for each node; `steps` runs `backward` and returns each call of a vjp; `watch`
does so for all that happens inside of a ``with``; `page` writes a page on which the walk can be played,
and `draw` draws the graph. The walk that is shown is the engine's own: see `engine/debug/observers.py`.
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
