"""Small trainings on any number of workers, with a checksum of the results of each.

``mpiexec -n 2 python trained.py FOLDER`` writes FOLDER/0.json and FOLDER/1.json, with a checksum for each case.
"""

import hashlib
import json
import sys
import warnings
from pathlib import Path

import numpy as np

from tinygrad_edu import Tensor, data, nn, optim
from tinygrad_edu.errors import PromotionWarning
from tinygrad_edu.parallel import world
from tinygrad_edu.training import Accuracy, ConfusionMatrix, evaluate, fit, predict

SHARD = 8


class Experts(nn.Module):
    """Mixture of experts, one for each kind of sample. One kind is common, one is rare, and one does not occur."""

    def __init__(self, rng):
        self.experts = [nn.Linear(6, 3, rng=rng) for _ in range(3)]

    def forward(self, x):
        kinds = (np.asarray(x)[:, 0] > 1.5).astype(int)
        out = 0.0
        for kind in np.unique(kinds):
            out = out + self.experts[kind](x) * (kinds == kind)[:, None].astype(np.float32)
        return out


class TwoInputs(nn.Module):
    """A model of an array and a pytree, whose output is a pytree."""

    def __init__(self, rng):
        self.layer, self.dropout, self.table = nn.Linear(6, 3, rng=rng), nn.Dropout(0.5), nn.Embedding(4, 3, rng=rng)

    def forward(self, x, more):
        return {"logits": self.layer(self.dropout(x)) + self.table(more["kinds"][0]), "points": (x * more["scale"],)}


class OneNumber(nn.Module):
    """A scalar parameter and a layer: all packed gradients begin at odd offsets."""

    def __init__(self, rng):
        self.scale, self.layer = Tensor(np.float32(1.5), requires_grad=True), nn.Linear(6, 3, rng=rng)

    def forward(self, x):
        return self.layer(x) * self.scale


def samples(count, dtype=np.float32):
    rng = np.random.default_rng(5)
    return rng.normal(size=(count, 6)).astype(dtype), rng.integers(0, 3, count)


def network(rng, *parts, bias=True):
    return nn.Sequential(nn.Linear(6, 8, bias=bias, rng=rng), *parts, nn.Tanh(), nn.Linear(8, 3, bias=bias, rng=rng))


def trained(workers, build, batches, loss=nn.cross_entropy, optimizer=optim.Adam, epochs=1, **settings):
    """Train a model, and return all results."""
    rng = np.random.default_rng(1)
    model = build(rng)
    optimizer = optimizer([p for p in model.parameters() if p.requires_grad], lr=0.05)
    settings = {"rng": rng, "shard_size": SHARD, "workers": workers, **settings}
    losses = [epoch.loss for epoch in fit(model, optimizer, loss, batches(rng), epochs, **settings)]
    missing = [p.grad is None for p in model.parameters()]
    return model, [*model.state_dict().values(), losses, missing, rng.random(3)]


def in_batches(count, size, **settings):
    return lambda rng: data.DataLoader(*samples(count), batch_size=size, rng=rng, **settings)


def noisy(x, y, *, rng):
    return x + rng.normal(scale=0.1, size=x.shape).astype(np.float32), y


def mixed(rng):
    return nn.Sequential(nn.Linear(6, 8, rng=rng).astype(np.float64), nn.Tanh(), nn.Linear(8, 3, rng=rng))


def of_two_dtypes(workers):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PromotionWarning)
        return trained(workers, mixed, in_batches(100, 50))


def ignored(rng):
    """Batches with no ignored labels, with one at the end, with one at the beginning, and with only ignored labels."""
    x, y = samples(4 * 40)
    y[79] = y[80] = -100
    y[120:] = -100
    return [(x[k : k + 40], y[k : k + 40]) for k in range(0, 160, 40)]


def nests(rng):
    (x, label), kinds = samples(100), np.arange(100) % 4
    more = {"kinds": [kinds], "scale": np.linspace(0, 1, 100, dtype=np.float32)[:, None]}
    return [(x, more, (label, x[::-1].copy()))] * 2


def of_both(out, target):
    return nn.cross_entropy(out["logits"], target[0]) + nn.mse_loss(out["points"][0], target[1])


def matrices(parameters, lr):
    return optim.Muon(parameters, lr=lr)


CASES = {
    **{
        f"{count} samples in {shards} shards": lambda w, n=count: trained(
            w, lambda rng: network(rng, nn.Dropout(0.5)), in_batches(2 * n, n)
        )
        for count, shards in ((8, 1), (5, 1), (55, 7), (83, 11), (128, 16))
    },
    "experts": lambda w: trained(w, Experts, in_batches(240, 60)),
    "scalar": lambda w: trained(w, OneNumber, in_batches(100, 50), max_norm=0.1),
    "ignored": lambda w: trained(w, network, ignored, accumulate=2),
    "Muon": lambda w: trained(w, lambda rng: network(rng, bias=False), in_batches(100, 50), optimizer=matrices),
    "transformed": lambda w: trained(w, network, in_batches(100, 50, augment=noisy, transform=lambda x, y: (-x, y))),
    "nests": lambda w: trained(w, TwoInputs, nests, loss=of_both),
    "two dtypes": of_two_dtypes,
}


def evaluated(workers):
    """Return the results of evaluation and prediction."""
    x, y = samples(1000)
    metrics = {"accuracy": Accuracy(), "matrix": ConfusionMatrix()}
    sets = {"tests": data.DataLoader(x, y, batch_size=400), "few": [(x[:5], y[:5])]}
    model, found = trained(workers, network, in_batches(100, 50), metrics=metrics, evaluate_on=sets)
    shuffled = data.DataLoader(x, y, batch_size=700, rng=np.random.default_rng(0))
    return [
        *found,
        *evaluate(model, shuffled, metrics, workers=workers, shard_size=128).values(),
        *(predict(model, x[:count], workers=workers, shard_size=128) for count in (0, 1, 128, 129, 1000)),
    ]


def checksum(found):
    hashed = hashlib.sha256()
    for each in found:
        array = np.asarray(each)
        hashed.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return hashed.hexdigest()


def checksums(workers):
    """Return the checksum of each case."""
    found = {name: checksum(case(workers)[1]) for name, case in CASES.items()}
    return {**found, "evaluated": checksum(evaluated(workers))}


if __name__ == "__main__":
    workers = world()
    if workers.size > 1:
        workers.threads = 1 + workers.rank % 2
    (Path(sys.argv[1]) / f"{workers.rank}.json").write_text(json.dumps(checksums(workers)))
