"""Freed memory is reused when networks are imported, and only then: glibc keeps it for the arrays of the next step."""

import os
import platform
import subprocess
import sys

import pytest

PROGRAM = """
import resource
import numpy as np
import {module}

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    arrays = [np.ones(2**20) for _ in range(30)]  # 240 MiB in arrays of 8 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

faults()
print(faults())
"""


def page_faults(module, **variables):
    """Return the page faults of a step of 60,000 pages, in a process that imports a module."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")} | variables
    program = PROGRAM.replace("{module}", module)
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.thorough
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_only_programs_with_networks_keep_freed_memory():
    assert page_faults("tinygrad_edu.nn") < 1000
    assert page_faults("tinygrad_edu.optim") < 1000
    assert page_faults("tinygrad_edu.testing") > 10000
    assert page_faults("tinygrad_edu.nn", TINYGRAD_EDU_KEEP_LARGE_BUFFERS="0") > 10000
