"""Build the files of a release in dist/ and check them: ``python -m tools.release_check``, with the group release.

The wheel and the source distribution are each installed into an empty environment, in which the first program of the
README and ``tools/smoke.py`` run. A new environment downloads NumPy and the build backend.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import venv
from email.parser import BytesHeaderParser
from pathlib import Path
from zipfile import ZipFile

from tools.project import ROOT, pyproject

DIST = ROOT / "dist"
PACKAGES = ("tinygrad_edu", "_tinygrad_edu_plugins")


def run(*command: str | Path, cwd: Path = ROOT) -> None:
    """Print a command and run it; if it fails, exit with its status."""
    print("$", *command, flush=True)
    done = subprocess.run([str(each) for each in command], cwd=cwd, check=False)
    if done.returncode:
        sys.exit(f"release_check: the command above failed with status {done.returncode}.")


def expected() -> set[str]:
    """Return the files of the packages in the checkout, without caches."""
    found = (path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in found if "__pycache__" not in path.parts}


def faults(wheel: Path) -> list[str]:
    """Return the faults of a wheel: files that are missing or do not belong there, and a wrong list of extras."""
    with ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
        info = next(name.partition("/")[0] for name in names if name.endswith(".dist-info/METADATA"))
        metadata = BytesHeaderParser().parsebytes(archive.read(f"{info}/METADATA"))
    project = pyproject()["project"]
    licences = {f"{info}/licenses/{path}" for path in project["license-files"]}
    files = {name for name in names if not name.startswith(f"{info}/")}
    extras = {*metadata.get_all("Provides-Extra", [])} ^ {*project["optional-dependencies"]}
    return [
        *(f"{name} is missing in the wheel." for name in sorted((expected() - files) | (licences - names))),
        *(f"{name} does not belong in the wheel." for name in sorted(files - expected())),
        *(f"The extra {name} is not in both the wheel and pyproject.toml." for name in sorted(extras)),
    ]


def first_program() -> str:
    """Return the first Python program of the README."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    return str(re.findall(r"^```python\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)[0])


def try_out(file: Path) -> None:
    """Install a file into an empty environment, and run the programs outside of the checkout."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        venv.create(folder / "venv", with_pip=True)
        python = folder / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        run(python, "-m", "pip", "install", "-q", file, cwd=folder)
        (folder / "first.py").write_text(first_program(), encoding="utf-8")
        run(python, folder / "first.py", cwd=folder)
        run(python, ROOT / "tools" / "smoke.py", cwd=folder)


def main() -> None:
    """Build and check. Exit with a message at the first fault."""
    shutil.rmtree(DIST, ignore_errors=True)
    run(sys.executable, "-m", "build", "--outdir", DIST)
    (wheel,), (sdist,) = DIST.glob("*.whl"), DIST.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist)
    run(sys.executable, "-m", "check_wheel_contents", wheel)
    if found := faults(wheel):
        sys.exit("\n".join(f"release_check: {fault}" for fault in found))
    for file in (wheel, sdist):
        try_out(file)
    print(f"release_check: {wheel.name} and {sdist.name} are complete and run in empty environments.")


if __name__ == "__main__":
    main()
