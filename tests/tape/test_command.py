"""``python -m tinygrad_edu.tape SCRIPT.py``, run in subprocesses."""

import os
import re
import subprocess
import sys
import textwrap

import pytest

TRAINING = """
    import sys
    import numpy as np
    import tinygrad_edu as tg
    from tinygrad_edu import nn, optim

    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))

    def loss_of(x):
        hidden = model[1](model[0](x))
        return (model[2](hidden) ** 2).mean()

    def train(optimizer):
        for step in range(int(sys.argv[1])):
            optimizer.zero_grad()
            loss = loss_of(np.ones((4, 2), np.float32) * (step + 1))
            try:
                loss.backward()
            except Exception:
                pass
            optimizer.step()

    if __name__ == "__main__":
        print("script", sys.argv[1:])
        train(optim.SGD(model.parameters(), lr=0.1))
        print("the end")
"""


def run(tmp_path, source, *options, arguments=()):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(source))
    command = [sys.executable, "-m", "tinygrad_edu.tape", *options, str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=os.getcwd())


@pytest.mark.thorough
def test_the_tape_of_a_training_is_that_of_its_first_step(tmp_path):
    done = run(tmp_path, TRAINING, "--steps", arguments=["1000000000", "--page"])
    assert done.returncode == 0, done.stderr
    assert "script ['1000000000', '--page']" in done.stdout
    assert "the end" not in done.stdout
    lines = done.stdout.splitlines()
    assert any(line.startswith("%0") and "model.0.weight" in line for line in lines)
    assert any("loss" in line and "mean" in line and "script.py:11" in line for line in lines)
    assert "step 0  mean.x: " in done.stdout


CHECKPOINT = """
    import tinygrad_edu as tg

    x = tg.Tensor([1.0, 2.0], requires_grad=True)
    tg.checkpoint(lambda x: tg.exp(x * 3))(x).sum().backward()
"""


@pytest.mark.thorough
@pytest.mark.parametrize(("number", "ops"), [("1", ["leaf", "function", "sum"]), ("2", ["leaf", "multiply", "exp"])])
def test_the_pass_of_a_checkpoint_is_the_second_one(tmp_path, number, ops):
    done = run(tmp_path, CHECKPOINT, "--walk", number)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith("%")]
    assert [next(word for word in row if word in {"leaf", "function", "sum", "multiply", "exp"}) for row in rows] == ops


@pytest.mark.thorough
def test_it_folds_counts_and_writes_pages(tmp_path):
    folded = run(tmp_path, TRAINING, "--walk", "3", "--fold", "1", arguments=["3"])
    assert folded.returncode == 0, folded.stderr
    assert "Linear (1 node)" in folded.stdout
    page = tmp_path / "tape.html"
    written = run(tmp_path, TRAINING, "--page", str(page), arguments=["1"])
    assert written.stdout.endswith(f"wrote {page}\n")
    assert "<h1>script.py</h1>" in page.read_text()


@pytest.mark.thorough
def test_a_script_without_a_walk_says_so(tmp_path):
    done = run(tmp_path, TRAINING, "--walk", "2", arguments=["1"])
    assert done.returncode == 1
    assert "the end" in done.stdout
    assert "ended before backward pass number 2; there is no tape." in done.stderr


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("broken", "code", "said"),
    [
        ("1 / 0", 1, r'Traceback.*:\n  File ".*script.py", line 1, in <module>\n.*\nZeroDivisionError: .*\n'),
        ("def (", 1, r'  File ".*script.py", line 1\n    def \(\n.*\nSyntaxError: .*\n'),
        ("raise SystemExit(3)", 3, ""),
    ],
)
def test_a_script_that_fails_fails_as_without_the_tape(broken, code, said, tmp_path):
    done = run(tmp_path, broken)
    assert done.returncode == code
    assert re.fullmatch(said, done.stderr, re.DOTALL)
    assert "tinygrad_edu" not in done.stderr


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--page", "nowhere/tape.html", "SCRIPT"],
            "cannot write the page to nowhere/tape.html: No such file or directory",
        ),
        (["nowhere.py"], "cannot read nowhere.py: No such file or directory"),
        (["--walk", "0", "SCRIPT"], "argument --walk: must be an integer >= 1, got '0'"),
    ],
)
def test_a_wrong_command_is_told_so(options, said, tmp_path):
    (tmp_path / "script.py").write_text("import tinygrad_edu as tg\ntg.Tensor(2.0, requires_grad=True).backward()")
    command = [str(tmp_path / "script.py") if option == "SCRIPT" else option for option in options]
    done = subprocess.run(
        [sys.executable, "-m", "tinygrad_edu.tape", *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert f"error: {said}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.thorough
def test_a_walk_that_raises_shows_how_far_it_came(tmp_path):
    source = """
        import tinygrad_edu as tg

        @tg.op
        def breaks(x):
            return x + 1

        breaks.vjps(x=lambda g: g[:1])
        w = tg.Tensor([1.0, 2.0], requires_grad=True)
        (breaks(w) * 3).sum().backward()
    """
    done = run(tmp_path, source, "--steps")
    assert done.returncode == 1
    assert "rejected by the engine" in done.stdout
    assert "WrongGradientError: op breaks" in done.stderr
