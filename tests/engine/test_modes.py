"""Gradient mode: a context manager and a decorator, of one thread or task, restored after exceptions."""

import asyncio

import pytest

import tinygrad_edu as tg
from tinygrad_edu.errors import DTypeError


def test_one_no_grad_can_be_entered_twice():
    quiet = tg.no_grad()
    for _ in range(2):
        with quiet:
            assert not tg.is_grad_enabled()
        assert tg.is_grad_enabled()


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
