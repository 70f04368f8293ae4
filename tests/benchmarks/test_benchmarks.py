"""The benchmarks at small sizes, in seconds. No test depends on a measured time."""

import json

import pytest

from benchmarks import ratios
from benchmarks.__main__ import core_sets, measure
from benchmarks.peers import LOWER_BOUND, OURS, PEERS
from benchmarks.rounds import Plan

SIZES = {
    "1": {"batch": 8},
    "2": {"train": 64, "test": 50},
    "6": {"ops": 40},
    "7": {"ops": 400},
}
MAPS = {"batch": 2, "side": 6}
BESIDE_OTHERS = {
    "4": {**MAPS, "inputs": 2, "outputs": 3},
    "4s": {**MAPS, "inputs": 2, "outputs": 3},
    "4p": {**MAPS, "inputs": 2, "outputs": 3},
    "4d": {**MAPS, "inputs": 3, "outputs": 3, "groups": 3},
    "4t": {**MAPS, "inputs": 3, "outputs": 2},
    "9": {"batch": 4, "channels": (2, 3, 4)},
    "10": {"batch": 32, "steps": 4, "inputs": 8},  # a large batch, for the reason given in the Keras peer
    "11": {"batch": 2, "length": 6, "size": 7, "width": 8, "heads": 2, "layers": 2},
    "12": {"test": 70},
}


@pytest.mark.thorough
def test_ours_computes_what_the_lower_bound_does_and_the_ratios_are_those_of_the_file(tmp_path):
    peers = [peer for peer in PEERS if peer.name in (OURS, LOWER_BOUND)]
    plan = Plan(rounds=1, seconds=0.001, timeout=60.0)
    report = json.loads(json.dumps(measure([*SIZES], peers, core_sets("one"), plan, SIZES), allow_nan=False))
    (run,) = report["runs"]
    assert run["threads"][OURS]["threads"].startswith("shards on 1 with BLAS 1; ")
    for workload in run["workloads"]:
        found = {result["peer"]: result for result in workload["results"]}
        ours, bound = found[OURS], found.get(LOWER_BOUND)
        assert ours["median"] == ours["seconds"][0] > 0
        assert (ours["status"], ours["ratio"], ours["bytes"] is not None) == ("ok", 1, workload["key"] == "7")
        if workload["key"] in ("1", "2"):
            assert bound["status"] == "ok"
            assert ours["values"] == pytest.approx(bound["values"], rel=1e-4)
    rows = ratios.of(report)
    ratios.write(tmp_path / "ratios.csv", rows)
    again = ratios.read(tmp_path / "ratios.csv")
    assert [row[:3] for row in again] == [row[:3] for row in rows]
    assert [row.seconds for row in again] == pytest.approx([row.seconds for row in rows], rel=1e-3)


@pytest.mark.peers
def test_peers_compute_what_ours_computes():
    names = (OURS, LOWER_BOUND, "PyTorch", "JAX", "Keras on JAX")
    peers, plan = [peer for peer in PEERS if peer.name in names], Plan(rounds=1, seconds=0.001, timeout=120.0)
    (run,) = measure(list(BESIDE_OTHERS), peers, core_sets("one"), plan, BESIDE_OTHERS)["runs"]
    found = {(w["key"], r["peer"]): (r["status"], r["note"]) for w in run["workloads"] for r in w["results"]}
    assert all(found[key, name] == ("ok", "") for key in BESIDE_OTHERS for name in (OURS, "PyTorch"))
    assert all(found[key, "Keras on JAX"] == ("ok", "") for key in ("9", "10", "11", "12"))
    assert {status for status, _ in found.values()} == {"ok", "not offered"}
