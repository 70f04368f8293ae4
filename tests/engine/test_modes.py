"""Gradient mode: a context manager and a decorator, local to a thread or task, restored after exceptions."""

import asyncio
import contextvars
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import tinygrad_edu as tg
from tinygrad_edu import Tensor
from tinygrad_edu.errors import DTypeError


def generator():
    yield tg.is_grad_enabled()


async def coroutine():
    return tg.is_grad_enabled()


async def asynchronous_generator():
    yield tg.is_grad_enabled()


@pytest.mark.parametrize("function", [generator, coroutine, asynchronous_generator])
def test_the_decorator_refuses_what_runs_after_the_call(function):
    with pytest.raises(DTypeError, match=f"cannot decorate {function.__name__}"):
        tg.no_grad()(function)


def test_a_coroutine_has_a_mode_of_its_own():
    async def main():
        async def inside():
            with tg.no_grad():
                await asyncio.sleep(0)
                return tg.is_grad_enabled()

        async def outside():
            await asyncio.sleep(0)
            return tg.is_grad_enabled()

        return await asyncio.gather(inside(), outside())

    assert asyncio.run(main()) == [False, True]


@pytest.mark.parametrize("elsewhere", ["begun", "closed"])
def test_a_block_in_a_generator_that_another_thread_begins_or_closes_is_no_error(elsewhere):
    def quiet():
        with tg.no_grad():
            yield

    def here():
        steps = quiet()
        with ThreadPoolExecutor(1) as pool:
            with tg.enable_grad():
                _ = pool.submit(next, steps).result() if elsewhere == "begun" else next(steps)
                _ = pool.submit(steps.close).result() if elsewhere == "closed" else steps.close()
            assert pool.submit(tg.is_grad_enabled).result() == (elsewhere == "closed")
        return tg.is_grad_enabled()

    assert contextvars.copy_context().run(here) == (elsewhere == "begun")


def test_blocks_may_end_in_another_order_than_they_began():
    a, b = tg.no_grad(), tg.enable_grad()
    a.__enter__()
    b.__enter__()
    a.__exit__()
    assert tg.is_grad_enabled()
    b.__exit__()
    assert tg.is_grad_enabled()
    a.__exit__()  # of nothing
    assert tg.is_grad_enabled()


# --- Effects of a mode ---


def records():
    return (Tensor([1.0], requires_grad=True) * 2).requires_grad


@pytest.mark.parametrize("mode", [tg.no_grad, tg.enable_grad])
def test_an_exception_restores_the_mode(mode):
    outside = tg.is_grad_enabled()
    for around in (tg.no_grad(), tg.enable_grad()):
        with around:
            before = tg.is_grad_enabled()
            with pytest.raises(ZeroDivisionError), mode():
                raise ZeroDivisionError
            assert tg.is_grad_enabled() == before
    assert tg.is_grad_enabled() == outside


def test_an_instance_can_be_entered_again_inside_itself():
    quiet = tg.no_grad()
    with quiet, tg.enable_grad(), quiet:
        assert not tg.is_grad_enabled()
    assert tg.is_grad_enabled()
    with quiet:
        with quiet:
            pass
        assert not tg.is_grad_enabled()
    assert tg.is_grad_enabled()


# --- Threads and tasks ---


def in_a_thread(function):
    found = []
    thread = threading.Thread(target=lambda: found.append(function()))
    thread.start()
    thread.join()
    return found[0]


def test_a_new_thread_records_whatever_others_do():
    with tg.no_grad():
        assert in_a_thread(records)
        assert in_a_thread(lambda: tg.no_grad()(records)()) is False
        assert not records()


def test_a_thread_in_a_copied_context_has_the_mode_of_the_context():
    with tg.no_grad():
        context = contextvars.copy_context()
    assert in_a_thread(lambda: context.run(records)) is False


def test_one_instance_serves_two_threads():
    quiet, seen = tg.no_grad(), {}
    first_in, second_in, first_out = threading.Event(), threading.Event(), threading.Event()

    def work(name, before, entered, after, left):
        before.wait(10)
        try:
            with quiet:
                entered.set()
                after.wait(10)
                inside = records()
            seen[name] = inside, records()
        except Exception as error:
            seen[name] = error
        finally:
            left.set()

    second = threading.Thread(target=work, args=("second", first_in, second_in, first_out, threading.Event()))
    second.start()
    ready = threading.Event()
    ready.set()
    work("first", ready, first_in, second_in, first_out)
    second.join()
    assert seen == {"first": (False, True), "second": (False, True)}
