"""A wrong option of a program is one line, before anything is trained or written."""

from importlib import import_module

import pytest

GRID = "models.pinn: the option of --grid must be 'epochs', 'learning_rate', 'seed' or 'tensorboard', got "
VALUES = "--grid must be NAME=VALUE,VALUE, an option and its values, got "
TWICE = "seed is given twice: --seeds N means the seeds 0 to N - 1."
SMALL = ["--epochs", "2", "--train-size", "320", "--batch-size"]
# A program, and another one if the line is of that; its options; and a part of the line, or the rest up to its stop.
WRONG = [
    *(("mnist_conv", options, message) for options, message in (
        (["--epochs", "0"], "argument --epochs: must be a positive integer, got '0'"),
        (["--epochs", "many"], "argument --epochs: must be a positive integer, got 'many'"),
        (["--learning-rate", "-1"], "argument --learning-rate: must be a positive number, got '-1'"),
        (["--learning-rate", "nan"], "argument --learning-rate: must be a positive number, got 'nan'"),
        (["--seed", "-1"], "argument --seed: must be an integer >= 0, got '-1'"),
        (["--batch-size", "2000"], "a batch of 2000 is larger than the 1000 training images"),
        (["--train-size", "1001"], "1001"), (["--data", "/no/such/file.npz"], "/no/such/file.npz"),
        (["--recipe", "other"], "argument --recipe: invalid choice: 'other'"),
        (["--data", "/dev/zero"], "Cannot read MNIST from /dev/zero: it is not a regular file."),
        (["--output", "/dev/null/x"], "results to /dev/null/x: Not a directory; choose another folder."),
        (["--output", "/dev/null"], "results to /dev/null: File exists; choose another folder."),
        (["--output", ""], "argument --output: the folder name is empty"),
        (["--epochs", "1", "a\nb"], r"unrecognized arguments: a\nb"))),
    ("mnist_lenet", [*SMALL, "321"], "a batch of 321 is larger than the 320 training images."),
    ("mnist_lenet", [*SMALL, "320"], "the learning-rate schedule needs at least 4 steps, got 2; increase --epochs or "
        "reduce --batch-size."),
    *(("sweep", options, message) for options, message in (
        *(([name], f"{name} is not a training program; python -m models lists all programs.")
          for name in ("nothing", "predict", "sweep")),
        (["pinn", "--grid", "rate=1"], f"{GRID}'rate'."), (["pinn", "--grid", "output=a,b"], f"{GRID}'output'."),
        (["pinn", "--grid", "epochs"], f"{VALUES}epochs."), (["pinn", "--grid", "epochs=1,"], f"{VALUES}epochs=1,."),
        (["pinn", "--grid", "epochs=1", "--grid", "epochs=2"], "epochs is given twice."),
        (["pinn", "--grid", "epochs=1", "--epochs", "2"], "epochs is given twice."),
        (["pinn", "--seeds", "2", "--seed", "3"], TWICE), (["pinn", "--seeds", "2", "--grid", "seed=3"], TWICE),
        (["pinn", "--resume"], "a sweep sets resume itself; to continue a sweep, run the same command again."),
        (["pinn", "--grid", "epochs=1,01"], "two trials have the same name: program=pinn,epochs=1,seed=0."),
        (["pinn", "--executor", "mpi", "--jobs", "2"],
         "--jobs cannot be used with MPI: mpiexec -n sets the number of ranks."),
        (["pinn", "--seeds", "0"], "argument --seeds: must be a positive integer, got '0'."),
        (["pinn", "--executor", "cloud"],
         "argument --executor: invalid choice: 'cloud' (choose from processes, mpi, dask, ray)."),
        ([], "the following arguments are required: program."))),
    ("sweep pinn", ["pinn", "--grid", "epochs=1,x"], "argument --epochs: must be a positive integer, got 'x'."),
    ("sweep pinn", ["pinn", "--epochs", "0"], "argument --epochs: must be a positive integer, got '0'."),
    ("sweep pinn", ["pinn", "--lr", "1"], "unrecognized arguments: --lr 1."),
    *(("predict", options, message) for options, message in (
        ([], "the following arguments are required: run, image."), (["run"], "give images to read, or --web."),
        (["run", "--web", "a.png"], "give images to read, or --web and no images."),
        (["run", "--web", "--port", "65536"], "argument --port: must be at most 65535, got 65536."),
        (["run", "--web", "--port", "x"], "argument --port: must be an integer >= 0, got 'x'."),
        (["run", "a.png", "--output", ""],
         "argument --output: the folder name is empty; use '.' for the current folder."))),
]  # fmt: skip


@pytest.mark.parametrize(("program", "options", "message"), WRONG)
def test_a_wrong_option_is_one_line(program, options, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    name, *other = program.split()
    try:
        code = import_module(f"models.{name}").main(options)
    except SystemExit as end:
        code = end.code
    out, err = capsys.readouterr()
    assert (code, out, err.count("\n")) == (2, "", 1)
    begin, whole = f"models.{other[0] if other else name}: ", message.endswith(".") and name != "mnist_conv"
    assert err.startswith(begin)
    assert err == f"{begin}{message}\n" if whole else message in err
    assert not [*tmp_path.rglob("*.safetensors"), *tmp_path.rglob("trial.json")]
