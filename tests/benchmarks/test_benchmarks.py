"""The benchmark's machinery, on sizes so small that it takes seconds. Nothing depends on how long anything takes."""

import json
import sys

import pytest

from benchmarks import table
from benchmarks.__main__ import core_sets, measure, parse
from benchmarks.peers import LOWER_BOUND, OURS, PEERS, Peer, ours_on
from benchmarks.rounds import Plan
from benchmarks.statistics import exponent, quartiles

SIZES = {
    "1": {"batch": 8},
    "2": {"train": 64, "test": 50},
    "6": {"ops": 40},
    "7": {"ops": 400},
}
ABSENT = Peer("nobody", "benchmarks.peers.nobody", ("no_such_package",))


ELSEWHERE = ours_on(sys.executable)  # the same interpreter, as if it were another


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


def test_report(report):
    assert report["rounds"] == 1
    assert report["machine"]["numpy"]
    (run,) = report["runs"]
    assert run["cores"] == 1
    assert [w["key"] for w in run["workloads"]] == ["1", "2", "6", "7"]
    for name in (OURS, LOWER_BOUND):
        assert run["threads"][name]["cores"] == 1
        assert run["threads"][name]["threads"].startswith("shards on 1 with BLAS 1; ")


@pytest.mark.parametrize("key", ["1", "2"])
def test_both_compute_the_same(report, key):
    both = results(report, key)
    assert both[OURS]["status"] == both[LOWER_BOUND]["status"] == "ok"
    assert both[OURS]["values"] == pytest.approx(both[LOWER_BOUND]["values"], rel=1e-4)


@pytest.mark.parametrize("key", ["1", "2", "6", "7"])
def test_times(report, key):
    ours = results(report, key)[OURS]
    assert ours["status"] == "ok"
    assert len(ours["seconds"]) == 1
    assert ours["median"] == ours["seconds"][0] > 0
    assert ours["ratio"] == 1
    assert (ours["bytes"] is not None) == (key == "7")


def test_ours_on_another_interpreter(report):
    found = results(report, "1")[ELSEWHERE.name]
    assert ELSEWHERE.name.startswith("ours on 3.")
    assert found["status"] == "ok"
    assert not found["is_peer"]
    assert found["values"] == results(report, "1")[OURS]["values"]


def test_who_does_not_take_part(report):
    assert results(report, "1")["nobody"]["status"] == "not installed"
    assert results(report, "6")[LOWER_BOUND]["status"] == "not offered"


def test_table(report):
    lines = list(table.lines(report))
    assert any(line.startswith("  ours ") for line in lines)
    assert any("NOT INSTALLED: no_such_package" in line for line in lines)


def test_options():
    assert parse(["--only", "8,1"]).only == ["1", "8b", "8d"]
    assert parse(["--only", "6s"]).only == ["6s"]
    with pytest.raises(SystemExit):
        parse(["--only", "9"])
    with pytest.raises(SystemExit):
        parse(["--peers", "nobody"])
    with pytest.raises(SystemExit):
        parse(["--python", "no_such_python"])


def test_statistics():
    assert quartiles([1.0, 2.0, 3.0, 4.0, 5.0]) == (2.0, 4.0)
    assert exponent([1, 10, 100], [3, 300, 30_000]) == pytest.approx(2)
    assert exponent([1, 10], [3]) is None
