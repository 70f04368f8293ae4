"""How a program that trains is stopped: Ctrl-C and SIGTERM are noted, and looked for where nothing is half done."""

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
    """Let both signals only be noted inside, for `asked` to tell; then put back what they did before.

    In a thread other than the main one they are left alone.
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
            # What a program does after this is to exit, and that is not worth stopping.
            signal.signal(number, signal.SIG_IGN if handler is end else handler)
        _asked = False


def asked() -> bool:
    """Return whether a signal was noted."""
    return _asked
