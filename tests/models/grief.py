"""Functions of trials that fail on request. Their processes import nothing else."""

import os
import signal
import sys
import time
from pathlib import Path

from models.shared.trials import TrialError


def calls(x, log, how="", once=""):
    """Log the call, fail as requested, and return a value."""
    with open(log, "a") as file:
        file.write(f"{x}\n")
    if once and os.path.exists(once):
        how = ""
    elif once:
        Path(once).touch()
    if how == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exits":
        sys.exit("it has had\nenough")
    if how == "fails":
        raise ValueError(f"{x} is\n  wrong")
    if how == "tells":
        raise TrialError(f"{x} is not liked")
    return {"square": x * x, "process": os.getpid()}


def waits(x, log):
    time.sleep(0.05)
    return calls(x, log)
