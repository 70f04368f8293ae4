"""The laws find faults planted in the fast code."""

import importlib
import inspect
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

import tinygrad_edu as tg
from tests.engine import test_backward, test_call
from tests.ops import test_batches, test_dtypes, test_moves, test_paths, test_twins
from tests.ops.planted_faults import FAULTS, Fault
from tests.optim import test_chunks
from tests.optim.test_optimizer import CASES
from tinygrad_edu.engine.decorator import TypedOp
from tinygrad_edu.testing.arrays.layouts import LAYOUTS
from tinygrad_edu.testing.strategies import calls, programs

PACKAGE = Path(tg.__file__).parent
SEEDS = st.integers(0, 2**16)
MOST_EXAMPLES = 4000
FAILURES = (Exception, pytest.fail.Exception)  # the latter is no Exception
NO_MEAN = pytest.mark.filterwarnings("ignore:(Mean of empty slice|invalid value):RuntimeWarning")


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


def passes(name, data):
    law = test_backward.test_the_plain_backward_pass_equals_the_fast_one.hypothesis.inner_test
    law(data.draw(programs() if name == "program" else calls(name)), data.draw(st.booleans()))


def recorders(name, data):
    """Generate the call of an op again: the one in the registry was generated before the fault was planted."""
    right = tg.ops.registry[name]
    fresh = TypedOp(right.forward, right.broadcasts, right.promotes, right.name)
    fresh.vjps(**right.vjp_functions)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(tg.ops.registry, name, fresh)
        test_call.test_the_plain_recorder_and_the_written_out_call_mean_the_same.hypothesis.inner_test(name, data=data)


def updates(name, data):
    kind, settings = data.draw(st.sampled_from([case for case in CASES if case[0].__name__ == name]))
    law = test_chunks.test_chunks_give_the_bits_of_whole_parameters.hypothesis.inner_test
    law(kind, settings, np.float64, data.draw(SEEDS), False)


LAWS = {
    "twins": twins, "paths": paths, "batches": batches, "moves": moves, "spread": spread, "passes": passes,
    "recorders": recorders, "updates": updates,
}  # fmt: skip


def functions(names):
    """Return the functions and methods that a module defines, without their decorators."""
    classes = [c for c in names.values() if inspect.isclass(c) and c.__module__ == names["__name__"]]
    methods = {f"{c.__name__}.{name}": f for c in classes for name, f in vars(c).items()}
    return {name: inspect.unwrap(f) for name, f in (names | methods).items() if inspect.isfunction(inspect.unwrap(f))}


@contextmanager
def planted(file, fault):
    """Plant a fault inside the context: replace the code of the functions, which other modules have imported."""
    path = PACKAGE / file
    text = path.read_text("utf-8")
    assert text.count(fault.old) == 1, f"{file} must contain the old text of the fault once: {fault.old}"
    module = importlib.import_module(f"tinygrad_edu.{file.removesuffix('.py').replace('/', '.')}")
    changed = {"__name__": module.__name__}
    exec(compile(text.replace(fault.old, fault.new), path, "exec"), changed)
    ours, theirs = functions(vars(module)), functions(changed)
    codes = {name: f.__code__ for name, f in ours.items() if f.__code__.co_filename == str(path)}
    different = [name for name, code in codes.items() if theirs[name].__code__ != code]
    assert different, f"the fault changes no function of {file}: {fault.old}"
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
        except FAILURES as error:
            errors.append(error)
            raise

    try:
        law()
    except FAILURES:
        return errors[0]
    return None


def selected(fault):
    return [(law, name) for law in LAWS for name in getattr(fault, law)]


EVERY = [(file, fault) for file, faults in FAULTS.items() for fault in faults]
QUICK = [
    "ops/fast/partition.py: a tie", "ops/fast/networks/softmax.py: the 0-d case",
    "ops/fast/images/ring_buffer.py: the zeros below",
]  # fmt: skip
NAMED = [(f"{file}: {fault.drops}", file, fault) for file, fault in EVERY]
EACH = [pytest.param(*case, id=name, marks=[] if name in QUICK else pytest.mark.slow) for name, *case in NAMED]


@NO_MEAN
@pytest.mark.fast
@pytest.mark.parametrize(("file", "fault"), EACH)
def test_a_planted_fault_is_found(file, fault):
    with planted(file, fault):
        found = first_failure(selected(fault), MOST_EXAMPLES)
    assert type(found).__name__ in fault.errors


@NO_MEAN
@pytest.mark.slow
@pytest.mark.parametrize("law", LAWS)
def test_without_a_fault_the_laws_hold(law):
    names = {name for _, fault in EVERY for name in getattr(fault, law)}
    for name in sorted(names):
        assert first_failure([(law, name)], 100) is None


def test_every_fast_file_has_faults():
    files = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.glob("*/fast/**/[!_]*.py")}
    assert files | {"engine/generated_call.py"} == FAULTS.keys()
    assert all(len(faults) > 1 for faults in FAULTS.values())


def test_a_fault_whose_text_is_gone_is_not_planted():
    fault = Fault("no such text", "", "nothing")
    with (
        pytest.raises(AssertionError, match="must contain the old text"),
        planted("ops/fast/networks/softmax.py", fault),
    ):
        pass
