"""Stopping of a training: Ctrl-C and SIGTERM are recorded, and acted on between steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread

from models import SIGNALS, end

_asked = False


def _note(number: int, frame: object) -> None:
    global _asked
    _asked = True


@contextmanager
def noted() -> Iterator[None]:
    """Record both signals inside the context, so that `asked` reports them; restore the earlier handlers afterwards.

    The signals are left unchanged in threads other than the main thread.
    """
    global _asked
    before = {number: signal.getsignal(number) for number in SIGNALS} if current_thread() is main_thread() else {}
    _asked = False
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, _note)
        yield
    finally:
        for number, handler in before.items():
            # After the training the program only exits, which a signal need not interrupt.
            signal.signal(number, signal.SIG_IGN if handler is end else handler)
        _asked = False


def asked() -> bool:
    """Return whether a signal was recorded."""
    return _asked
