"""Save over a folder and fail before the n-th system call, for every n: `python saver.py FOLDER BEFORE HOW`.

For each n, print the content of the folder afterwards, and after one more save without a failure.
"""

import errno
import json
import os
import resource
import shutil
import signal
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path

import numpy as np

from models.shared import report, results

CALLS = {"open", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink", "os.utime"}

LONGEST = 4064  # bytes: the weights


def save(folder, end, names=("history.csv", "picture.png")):
    def write(staged):
        report.write_weights(staged / results.WEIGHTS, {"w": np.full(1000, len(end), np.float32)})
        for name in names:
            (staged / name).write_text(end * 1000)

    results.save(folder, write, {"end": end})


def begin(folder, before):
    """Create the initial content of the folder: nothing, a set, or the plain files that copying a set gives."""
    folder.mkdir()
    if before != "nothing":
        save(folder, "old", ["history.csv", "of_old.txt"])
    if before == "files":
        shutil.copytree(folder, folder.with_name("copy"))
        shutil.rmtree(folder)
        folder.with_name("copy").rename(folder)
    (folder / "own").mkdir()
    (folder / "own" / "notes.txt").write_text("mine")
    (folder / "notes.txt").write_text("mine, too")


def disturb(n, how):
    """Kill the process at the n-th call from now on, or make the call fail; `unlinked` also makes every link call fail.

    `full` limits files to 500 n bytes. Return a function that returns whether there was an n-th call or a long file.
    """
    if how == "full":
        resource.setrlimit(resource.RLIMIT_FSIZE, (500 * n, 500 * n))
        return lambda: 500 * n < LONGEST
    calls = 0

    def before(event, arguments):
        nonlocal calls
        if event == "os.symlink" and how.endswith("unlinked"):
            raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))
        if event in CALLS:
            calls += 1
            if calls == n and how.startswith("killed"):
                os.kill(os.getpid(), signal.SIGKILL)
            if calls == n:
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    sys.addaudithook(before)
    return lambda: calls >= n


def attempt(folder, n, how):
    """Save in a separate, disturbed process. Return True if it had fewer than n calls and so was not disturbed."""
    child = os.fork()
    if not child:
        disturbed = disturb(n, how)
        with suppress(OSError):
            save(folder, "new")
        os._exit(disturbed())
    return os.waitpid(child, 0)[1] == 0


def shown(folder):
    """Return the set that the folder shows, whether it is complete, and whether the other files are still there."""
    assert (folder / "own" / "notes.txt").read_text() == "mine"
    assert (folder / "notes.txt").read_text() == "mine, too"
    summary = results.read_summary(folder)
    if not summary:
        return "nothing"
    for name, told in summary["files"].items():
        content = (folder / name).read_bytes()
        assert results._entry(content) == told, f"{name} is not of the set"
    weights = results.read_weights(folder)["w"]
    assert weights[0] == len(summary["end"])
    return summary["end"]


def main(home, before, how):
    for n in count(1):
        folder = Path(home) / str(n)
        begin(folder, before)
        unharmed = attempt(folder, n, how)
        seen = shown(folder)
        save(folder, "later")
        print(json.dumps([seen, shown(folder)]))
        assert all(path.exists() for path in folder.iterdir()), "a dangling link"
        if unharmed:
            break


if __name__ == "__main__":
    main(*sys.argv[1:])
