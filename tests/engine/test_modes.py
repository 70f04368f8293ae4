"""Gradient mode: a context manager and a decorator, of one thread or task, restored after exceptions."""

import asyncio

import tinygrad_edu as tg


def test_one_no_grad_can_be_entered_twice():
    quiet = tg.no_grad()
    for _ in range(2):
        with quiet:
            assert not tg.is_grad_enabled()
        assert tg.is_grad_enabled()


def test_the_decorator_reaches_into_a_generator():
    @tg.no_grad()
    def modes():
        yield tg.is_grad_enabled()
        yield tg.is_grad_enabled()

    seen = [(inside, tg.is_grad_enabled()) for inside in modes()]
    assert seen == [(False, True), (False, True)]


def test_the_decorator_reaches_into_a_coroutine():
    @tg.no_grad()
    async def mode():
        await asyncio.sleep(0)
        return tg.is_grad_enabled()

    assert asyncio.run(mode()) is False
