"""Run models.spirals with small pictures and a checkpoint each epoch: ``python quick_spirals.py KILLS -- OPTIONS``.

KILLS is any number of ``RANK SIGNAL STEP MILLISECONDS``: the rank sends itself the signal, a number, that many
milliseconds after the step. RANK in the options is replaced by the number of the rank, so that each rank may have its
own folder, as on separate machines. A program that would wait forever is ended.
"""

import faulthandler
import os
import sys
from itertools import count
from threading import Timer

from models import spirals
from models.shared import stopping, training
from models.shared.console import program
from tinygrad_edu.parallel import world

spirals.PIXELS, training.SECONDS = 20, 0.0


def signal_after(number, last, milliseconds):
    """Make this process send itself a signal some time after a step."""
    steps, asked, sent = count(1), stopping.asked, Timer(milliseconds / 1000, os.kill, (os.getpid(), number))
    sent.daemon = True

    def noted():
        if next(steps) == last:
            sent.start()
            if not milliseconds:
                sent.join()
        return asked()

    stopping.asked = noted


def main():
    """Run the program."""
    faulthandler.dump_traceback_later(100, exit=True)
    middle, here = sys.argv.index("--"), world().rank
    kills = list(map(int, sys.argv[1:middle]))
    for rank, number, step, milliseconds in zip(*[iter(kills)] * 4, strict=True):
        if rank == here:
            signal_after(number, step, milliseconds)
    return spirals.main([option.replace("RANK", str(here)) for option in sys.argv[middle + 1 :]])


if __name__ == "__main__":
    program(spirals.NAME, main)
