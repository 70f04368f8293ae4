"""The laws find faults that are planted in the fast code."""

import importlib
import inspect
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.ops import test_batches, test_dtypes, test_moves, test_paths, test_twins
from tests.ops.planted_faults import FAULTS
from tinygrad_edu.testing.literals import LAYOUTS

PACKAGE = Path(tg.__file__).parent
SEEDS = st.integers(0, 2**16)


def twins(name, data):
    law = test_twins.test_a_fast_function_equals_its_plain_twin.hypothesis.inner_test
    law(name, data=data, seed=data.draw(SEEDS))


def paths(name, data):
    law = test_paths.test_a_result_depends_neither_on_thresholds_nor_on_layouts.hypothesis.inner_test
    law([name], data=data, seed=data.draw(SEEDS), layout=data.draw(st.sampled_from(["contiguous", *LAYOUTS])))


def batches(name, data):
    test_batches.test_a_batch_equals_its_samples.hypothesis.inner_test([name], data=data, seed=data.draw(SEEDS))


def moves(name, data):
    test_moves.test_elements_are_moved_bit_for_bit.hypothesis.inner_test([name], data=data, seed=data.draw(SEEDS))


def spread(name, data):
    test_dtypes.test_the_gradient_of_many_uses_is_added_in_float32(name)


LAWS = {"twins": twins, "paths": paths, "batches": batches, "moves": moves, "spread": spread}


def functions(names):
    """Return the functions that a module defines, without their decorators."""
    return {name: inspect.unwrap(f) for name, f in names.items() if inspect.isfunction(inspect.unwrap(f))}


@contextmanager
def planted(file, fault):
    """Plant a fault inside: a function keeps its identity, since other modules import it, and gets other code."""
    path = PACKAGE / file
    text = path.read_text("utf-8")
    assert text.count(fault.old) == 1, f"{file} does not have the old text of the fault once: {fault.old}"
    module = importlib.import_module(f"tinygrad_edu.{file.removesuffix('.py').replace('/', '.')}")
    changed = {"__name__": module.__name__}
    exec(compile(text.replace(fault.old, fault.new), path, "exec"), changed)
    ours, theirs = functions(vars(module)), functions(changed)
    codes = {name: f.__code__ for name, f in ours.items() if f.__code__.co_filename == str(path)}
    different = [name for name, code in codes.items() if theirs[name].__code__ != code]
    assert different, f"no function of {file} changes with the fault: {fault.old}"
    try:
        for name in different:
            ours[name].__code__ = theirs[name].__code__
        forget(module)
        yield
    finally:
        for name in different:
            ours[name].__code__ = codes[name]
        forget(module)


def forget(module):
    """Clear the caches of a module's functions."""
    for function in vars(module).values():
        if hasattr(function, "cache_clear"):
            function.cache_clear()


def first_failure(selection, examples, number=0):
    """Return the first error that the laws of a selection raise, or None."""
    errors = []

    @seed(number)
    @settings(
        max_examples=examples, phases=[Phase.generate], database=None, deadline=None, derandomize=False,
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    @given(st.data())
    def law(data):
        name, of = data.draw(st.sampled_from(selection))
        try:
            LAWS[name](of, data)
        except Exception as error:
            errors.append(error)
            raise

    try:
        law()
    except Exception:
        return errors[0]
    return None


def selected(fault):
    return [(law, name) for law in LAWS for name in getattr(fault, law)]


EVERY = [(file, fault) for file, faults in FAULTS.items() for fault in faults]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Mean of empty slice:RuntimeWarning", "ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize(("file", "fault"), EVERY, ids=[f"{file}: {fault.drops}" for file, fault in EVERY])
def test_a_planted_fault_is_found(file, fault):
    with planted(file, fault):
        found = first_failure(selected(fault), 2000)
    assert type(found).__name__ in fault.errors
