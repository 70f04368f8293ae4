"""The benchmarks at small sizes, in seconds. No test depends on a measured time."""

import json
import sys

import pytest

from benchmarks import ratios, table
from benchmarks.__main__ import core_sets, measure
from benchmarks.peers import LOWER_BOUND, OURS, PEERS, Peer, ours_on
from benchmarks.picture import draw
from benchmarks.rounds import Plan
from benchmarks.statistics import exponent, quartiles

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
ABSENT = Peer("nobody", "benchmarks.peers.nobody", ("no_such_package",), ("no_such_program",))


ELSEWHERE = ours_on(sys.executable)  # this interpreter, in the role of another one


@pytest.fixture(scope="module")
def report():
    peers = [*(peer for peer in PEERS if peer.name in (OURS, LOWER_BOUND)), ELSEWHERE]
    plan = Plan(rounds=1, seconds=0.001, timeout=60.0)
    found = measure(["1", "2", "6", "7"], [*peers, ABSENT], core_sets("one"), plan, SIZES)
    return json.loads(json.dumps(found, allow_nan=False))


def results(report, key):
    (run,) = report["runs"]
    (workload,) = [w for w in run["workloads"] if w["key"] == key]
    return {result["peer"]: result for result in workload["results"]}


@pytest.mark.thorough
def test_report(report):
    assert report["rounds"] == 1
    assert report["machine"].keys() >= {"numpy", "BLAS"}
    (run,) = report["runs"]
    assert run["cores"] == 1
    assert [w["key"] for w in run["workloads"]] == ["1", "2", "6", "7"]
    for name in (OURS, LOWER_BOUND):
        assert run["threads"][name]["cores"] == 1
        assert run["threads"][name]["threads"].startswith("shards on 1 with BLAS 1; ")
    for key in ("1", "2", "6", "7"):
        ours, bound = (results(report, key).get(name) for name in (OURS, LOWER_BOUND))
        assert ours["status"] == "ok"
        assert ours["median"] == ours["seconds"][0] > 0
        assert (len(ours["seconds"]), ours["ratio"], ours["bytes"] is not None) == (1, 1, key == "7")
        if key in ("1", "2"):
            assert bound["status"] == "ok"
            assert ours["values"] == pytest.approx(bound["values"], rel=1e-4)


def test_ours_on_another_interpreter(report):
    found = results(report, "1")[ELSEWHERE.name]
    assert ELSEWHERE.name.startswith("ours on 3.")
    assert found["status"] == "ok"
    assert not found["is_peer"]
    assert found["values"] == results(report, "1")[OURS]["values"]


@pytest.mark.peers
def test_peers_compute_what_ours_computes():
    names = (OURS, LOWER_BOUND, "PyTorch", "JAX", "Keras on JAX")
    peers, plan = [peer for peer in PEERS if peer.name in names], Plan(rounds=1, seconds=0.001, timeout=120.0)
    (run,) = measure(list(BESIDE_OTHERS), peers, core_sets("one"), plan, BESIDE_OTHERS)["runs"]
    found = {(w["key"], r["peer"]): (r["status"], r["note"]) for w in run["workloads"] for r in w["results"]}
    assert all(found[key, name] == ("ok", "") for key in BESIDE_OTHERS for name in (OURS, "PyTorch"))
    assert all(found[key, "Keras on JAX"] == ("ok", "") for key in ("9", "10", "11", "12"))
    assert {status for status, _ in found.values()} == {"ok", "not offered"}


def test_table(report):
    lines = list(table.lines(report))
    assert any(line.startswith("  ours ") for line in lines)
    assert any("NOT INSTALLED: no_such_package, the program no_such_program" in line for line in lines)


def test_picture(report, tmp_path):
    rows = ratios.of(report)
    draw(rows, tmp_path / "ratios.svg")
    drawn = (tmp_path / "ratios.svg").read_text()
    assert f"<!-- {ratios.SHORT['1']} -->" in drawn
    assert f"<!-- {ELSEWHERE.name} -->" in drawn


def test_ratios(report, tmp_path):
    rows = ratios.of(report)
    assert {(row.workload, row.peer) for row in rows} >= {("1", OURS), ("1", LOWER_BOUND), ("6", OURS)}
    assert all(row.ratio == 1 for row in rows if row.peer == OURS)
    ratios.write(tmp_path / "ratios.csv", rows)
    again = ratios.read(tmp_path / "ratios.csv")
    assert [row[:3] for row in again] == [row[:3] for row in rows]
    assert [row.seconds for row in again] == pytest.approx([row.seconds for row in rows], rel=1e-3)
    assert ratios.table(again).count("\n") == 1 + len({row.workload for row in rows})
    assert f"| 1 {ratios.SHORT['1']} | " in ratios.table(again)


def test_statistics():
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 4.0)
    assert exponent([1, 10, 100], [3, 300, 30_000]) == pytest.approx(2)
    assert exponent([1, 10], [3]) is None
