"""Tables of the results, the components of the model, and its predictions compared with the measurements."""

import math
from collections.abc import Iterator, Sequence

from benchmarks.scaling.measuring import BATCHES, OPERATIONS, SHARD_SIZES, Row
from benchmarks.scaling.ours import network
from benchmarks.scaling.paper import MOST, TO_DRAW, Link, Work, fit_gather, fit_link, fit_shards

# Assumed, not measured.
NETWORKS = {"20 µs, 10 Gbit/s": Link(20e-6, 8 / 10e9), "20 µs, 100 Gbit/s": Link(20e-6, 8 / 100e9)}
# ResNet-50 (He et al. 2016, https://arxiv.org/abs/1512.03385) by torchvision's counts: 4.09e9 multiply-adds for an
# image of 224 x 224, 25.6 million weights. The backward pass takes twice as many operations as the forward pass.
RESNET_OPERATIONS, RESNET_WEIGHTS, RESNET_SHARD = 3 * 2 * 4.09e9, 25.6e6, 8
TITLES = {
    "mnist": "MNIST net", "lenet": "LeNet", "transformer": "transformer", "resnet": "ResNet, 25 million weights",
}  # fmt: skip
SAMPLES = {"mnist": "images", "lenet": "images", "transformer": "texts"}
OUTPUTS = {"mnist": 10, "lenet": 10, "transformer": 103 * 64}  # numbers per image or text


class Report:
    """Rows of results, and quantities computed from them."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self.cores = self.of("cores")[0].processes
        self.names = list(dict.fromkeys(row.work for row in rows if row.part == "step"))

    def of(self, part: str, work: str = "") -> list[Row]:
        """Return the rows of a part."""
        return [row for row in self.rows if row.part == part and row.work == work]

    def ours(self, part: str, work: str) -> list[Row]:
        """Return our rows with one thread per process."""
        return [row for row in self.of(part, work) if row.side == "ours" and row.threads == 1]

    def link(self, carrier: str) -> Link:
        """Fit the link of a transport, from exchanges with at most as many processes as cores, or two."""
        rows = [r for r in self.of("exchange") if r.side == carrier and r.processes <= max(self.cores, 2)]
        sizes, seconds = [4 * row.size for row in rows], [row.milliseconds / 1e3 for row in rows]
        return fit_link([row.processes for row in rows], sizes, seconds)

    def gather(self, carrier: str) -> Link:
        """Fit the link of a transport for allgathers."""
        rows = [r for r in self.of("gather") if r.side == carrier and r.processes <= max(self.cores, 2)]
        sizes, seconds = [4 * row.size for row in rows], [row.milliseconds / 1e3 for row in rows]
        return fit_gather([row.processes for row in rows], sizes, seconds)

    def shards(self, name: str) -> tuple[float, float, float]:
        """Return the seconds per step, per shard and per image."""
        rows = self.of("shards", name)
        counts, seconds = [row.size // row.shard_size for row in rows], [row.milliseconds / 1e3 for row in rows]
        return fit_shards(counts, [row.shard_size for row in rows], seconds)

    def work(self, name: str) -> Work:
        """Return the times of the parts of a step."""
        latest = {row.size: row.milliseconds / 1e3 for row in self.of("latest", name)}
        fixed, shard, image = self.shards(name)
        weights = sum(parameter.size for parameter in network(name, 1)[0].parameters())
        return Work(fixed, shard + SHARD_SIZES[name] * image, latest, 4 * weights)

    def speed(self) -> float:
        """Return the operations per second of one core, in a convolution forward and backward."""
        return OPERATIONS / (self.of("convolution")[0].milliseconds / 1e3)

    def resnet(self) -> Work:
        """Return a ResNet step at the speed of the convolution, with the delays of LeNet shards of equal total time."""
        shard, lenet = RESNET_SHARD * RESNET_OPERATIONS / self.speed(), self.work(self.names[-1])
        spread = math.sqrt(shard / lenet.shard)
        return Work(0.0, shard, {many: spread * lenet.late(many) for many in lenet.latest}, int(4 * RESNET_WEIGHTS))

    def lines(self) -> Iterator[str]:
        """Yield the report as text."""
        for name in self.names:
            yield from self._ways("step", name, f"one training step, batch {BATCHES[name]}")
        for name in self.names:
            if rows := self.of("evaluation", name):
                yield from self._ways("evaluation", name, f"evaluation of {rows[0].size:,} images")
        for name in self.names:
            yield from self._scaling(name)
        yield from self._exchange()
        for name in self.names:
            yield from self._pieces(name)
            yield from self._predicted(name)
        yield from self._gathered()
        yield f"\nConvolution forward and backward: {self.speed() / 1e9:.1f} billion operations per second on one core"

    def _over(self, processes: int) -> str:
        return f"  more processes than the {self.cores} cores" if processes > self.cores else ""

    def _ways(self, part: str, name: str, title: str) -> Iterator[str]:
        yield f"\n{TITLES[name]}: {title}"
        yield f"  {'':<32}{'median, ms':>10}{'best':>9}{'/ first':>9}"
        for row in self.of(part, name):
            threads = f"{row.threads} thread{'s' * (row.threads > 1)}"
            who = f"{row.side}, {threads if row.processes == 1 else f'{row.processes} processes'}"
            yield f"  {who:<32}{row.milliseconds:>10.2f}{row.best:>9.2f}{row.ratio:>9.2f}{self._over(row.processes)}"

    def _scaling(self, name: str) -> Iterator[str]:
        yield f"\n{TITLES[name]}: a batch of {BATCHES[name]} in total (strong), and per process (weak)"
        yield f"  {'processes':<10}{'strong, ms':>11}{'speedup':>9}{'weak, ms':>11}{'speedup':>9}"
        for strong, weak in zip(self.ours("step", name), self.ours("weak", name), strict=True):
            numbers = f"{strong.milliseconds:>11.2f}{1 / strong.ratio:>9.2f}"
            numbers += f"{weak.milliseconds:>11.2f}{weak.processes / weak.ratio:>9.2f}"
            yield f"  {strong.processes:<10}{numbers}{self._over(strong.processes)}"

    def _exchange(self) -> Iterator[str]:
        yield "\nAllreduce of float32"
        yield f"  {'by':<8}{'processes':>9}{'elements':>12}{'median, ms':>12}{'best':>9}{'fitted':>9}"
        links = {carrier: self.link(carrier) for carrier in ("memory", "TCP")}
        for row in self.of("exchange"):
            fitted = 1e3 * links[row.side].exchange(row.processes, 4 * row.size)
            numbers = f"{row.milliseconds:>12.3f}{row.best:>9.3f}{fitted:>9.3f}"
            yield f"  {row.side:<8}{row.processes:>9}{row.size:>12,}{numbers}{self._over(row.processes)}"
        for carrier, link in links.items():
            speed = f"{1e-9 / link.per_byte:.2f} GB/s" if link.per_byte else "no time per byte"
            yield f"  {carrier}: {1e6 * link.latency:.0f} µs per message, {speed}, including the addition"

    def _pieces(self, name: str) -> Iterator[str]:
        fixed, shard, image = (1e3 * seconds for seconds in self.shards(name))
        per_sample = f"{image:.4f} per {SAMPLES[name].removesuffix('s')}"
        yield f"\n{TITLES[name]}: {fixed:.2f} ms per step, {shard:.3f} per shard, {per_sample}"
        yield f"  {'shards':>8}{'of':>5}{'measured, ms':>14}{'fitted':>9}"
        for row in self.of("shards", name):
            count = row.size // row.shard_size
            fitted = fixed + count * shard + row.size * image
            yield f"  {count:>8}{row.shard_size:>5}{row.milliseconds:>14.2f}{fitted:>9.2f}"
        late = ", ".join(f"{1e3 * self.work(name).late(many):.3f} ms of {many:,}" for many in (2, 64, MOST))
        yield f"  expected delay of the slowest shard of {SHARD_SIZES[name]} {SAMPLES[name]}: {late}"

    def _predicted(self, name: str) -> Iterator[str]:
        work, link = self.work(name), self.link("memory")
        yield f"\n{TITLES[name]}: steps, measured and predicted from the components"
        yield f"  {'batch':>8}{'processes':>11}{'measured, ms':>14}{'predicted':>11}{'error':>8}"
        for row in (*self.ours("step", name), *self.ours("weak", name)):
            count = math.ceil(row.size / row.shard_size)
            predicted = 1e3 * work.step(count, row.processes, link, self.cores)
            numbers = f"{row.milliseconds:>14.2f}{predicted:>11.2f}{predicted / row.milliseconds - 1:>8.0%}"
            yield f"  {row.size:>8}{row.processes:>11}{numbers}{self._over(row.processes)}"

    def _gathered(self) -> Iterator[str]:
        """Yield the times of gathering the outputs, which only a loss that is not additive needs."""
        title, network = next(iter(NETWORKS.items()))
        link, gather = (found("TCP").over(network) for found in (self.link, self.gather))
        yield f"\nOutputs gathered for a loss that is not additive, with a constant batch per worker, {title}"
        yield f"  {'':<24}{'workers':>8}{'gather, ms':>12}{'gradients':>11}{'shards':>9}"
        for name in self.names:
            work, count = self.work(name), BATCHES[name] // SHARD_SIZES[name]
            size = 4 * OUTPUTS[name] * BATCHES[name]
            for workers in (2, 64, MOST):
                parts = gather.gather(workers, size), link.exchange(workers, work.bytes), count * work.shard
                yield f"  {TITLES[name]:<24}{workers:>8,}" + "".join(
                    f"{1e3 * seconds:>{width}.2f}" for seconds, width in zip(parts, (12, 11, 9), strict=True)
                )
            slower = [w for w in TO_DRAW[1:] if gather.gather(w, size) > link.exchange(w, work.bytes)]
            first = f"from {slower[0]:,} workers on" if slower else f"up to {MOST:,} workers never"
            yield f"  {TITLES[name]}: gathering takes longer than the exchange of the gradients {first}"
