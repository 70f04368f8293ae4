"""Mistakes that type checkers find, each on a line with the comment ``error``."""

import numpy as np

import tinygrad_edu as tg
from tests.typed.functions import cube
from tests.typed.model import Net, Tagger
from tests.typed.transforms import two
from tinygrad_edu import nn, optim


def mistakes(t: tg.Tensor, a: np.ndarray) -> None:
    tg.sum(a, axes=0)  # error
    tg.sum(t, axes=0)  # error
    tg.exp(t, t)  # error
    tg.concatenate(2.0)  # error
    tg.conv2d(t)  # error
    cube(a, bye=2.0)  # error
    cube(a, "2")  # error
    cube(t, bye=2.0)  # error
    t.sum(axes=0)  # error
    t.summ()  # error
    nn.mse_loss(t)  # error
    nn.Linear(3, device="cpu")  # error
    nn.Linear(3, 2)(t, t)  # error
    nn.ReLU(True)  # error
    nn.ReLU()(t, t)  # error
    nn.ReLU().to("cpu")  # error
    nn.MSELoss()(t)  # error
    nn.LSTM(3, 2)(t).sum()  # error
    nn.Sequential(nn.Linear(3, 2), nn.GRU(2, 2))(t).sum()  # error
    Net()()  # error
    Net()(t, t)  # error
    Net()(a, scale=1.0)  # error
    Net()("text")  # error
    Tagger()(t).backward()  # error
    nn.functional_call(Net(), {}, t, t)  # error
    tg.grad(two)(t)  # error
    optim.SGD(Net().parameters(), learning_rate=0.1)  # error
    t.grad.sum()  # error
