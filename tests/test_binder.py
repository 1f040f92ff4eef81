"""Binder, as repo2docker would build it: right files, all that notebooks import, 2 GB."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from processes import Usage

ROOT = Path(__file__).resolve().parents[1]
BINDER = ROOT / "binder"
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
# The environment that repo2docker 2026.4 makes for Python 3.12, before it looks at binder/.
BASE_PIP = "pip==25.2"
BASE = (
    "notebook==7.4.7",
    "jupyterlab==4.4.9",
    "ipywidgets==8.1.7",
    "ipykernel==7.0.1",
    "nbclient==0.10.2",
    "jupyter_server==2.17.0",
)
MOST_NBYTES = 2 * 10**9
MOST_SECONDS = 300  # pip goes back and forth for ten minutes where bounds don't fit well together
# Those that repo2docker reads; another would change what Binder builds without our tests.
BUILD_FILES = {
    "apt.txt",
    "Dockerfile",
    "environment.yml",
    "install.R",
    "Pipfile",
    "postBuild",
    "Project.toml",
    "pyproject.toml",
    "requirements.txt",
    "runtime.txt",
    "setup.py",
    "start",
}


def requirement_lines() -> list[str]:
    lines = (BINDER / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith("#")]


def runtime() -> tuple[int, int]:
    text = (BINDER / "runtime.txt").read_text(encoding="utf-8")
    named = re.fullmatch(r"python-(3)\.([0-9]+)\n", text)
    assert named, "without such a line Binder takes Python 3.10, which has no zarr 3"
    return int(named[1]), int(named[2])


def closure() -> set[str]:
    """Return the distributions that binder/requirements.txt brings, as they are installed here."""
    waiting = []
    for line in requirement_lines():
        if line.startswith("-e ."):
            extras = line.removeprefix("-e .").strip("[]").split(",")
            texts = [*PROJECT["dependencies"]]
            for extra in extras:
                texts += PROJECT["optional-dependencies"][extra]
            waiting += [Requirement(text) for text in texts]
        else:
            waiting.append(Requirement(line))
    found = {"nbexport"}
    done = set()
    while waiting:
        wanted = waiting.pop()
        key = (canonicalize_name(wanted.name), frozenset(wanted.extras))
        if key in done:
            continue
        done.add(key)
        try:
            texts = requires(wanted.name) or ()
        except PackageNotFoundError:  # for another platform
            continue
        found.add(key[0])
        for requirement in map(Requirement, texts):
            marker = requirement.marker
            if marker is None or any(
                marker.evaluate({"extra": extra}) for extra in ("", *wanted.extras)
            ):
                waiting.append(requirement)
    return found


def imported(path: Path) -> set[str]:
    """Return the top names of all modules that the notebook at `path` imports."""
    names = set()
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module)
    return {name.partition(".")[0] for name in names}


def test_files_are_those_that_were_tested():
    found = {path.name for path in BINDER.iterdir() if path.name in BUILD_FILES}
    assert found == {"requirements.txt", "runtime.txt"}
    # binder/ wins over the top, and .binder/ would win over nothing but confuse.
    assert not (ROOT / ".binder").exists()


def test_python_is_one_of_ours():
    oldest = re.fullmatch(r">=3\.([0-9]+)", PROJECT["requires-python"])
    assert runtime() >= (3, int(oldest[1]))


def test_requirements_are_the_projects_own():
    """Extras that exist, and packages of the test extra, with which everything here is tested."""
    first, *others = requirement_lines()
    extras = re.fullmatch(r"-e \.\[([a-z0-9,]+)\]", first)[1].split(",")
    assert {"lab"} <= set(extras) <= PROJECT["optional-dependencies"].keys()
    tested = {Requirement(text).name for text in PROJECT["optional-dependencies"]["test"]}
    assert {Requirement(text).name for text in others} <= tested


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_what_a_notebook_imports_is_there(path):
    names = imported(path) - set(sys.stdlib_module_names)
    assert names
    homes = packages_distributions() | {"nbexport": ["nbexport"]}
    brought = closure()
    missing = {
        name: homes.get(name, [])
        for name in names
        if not brought & {canonicalize_name(home) for home in homes.get(name, ())}
    }
    assert not missing, "binder/requirements.txt must bring it"


def test_names_suit_links():
    """The badge and the README name notebooks by paths in URLs."""
    for path in PATHS:
        assert re.fullmatch(r"[0-9]{2}_[a-z0-9_]+\.ipynb", path.name)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    linked = re.findall(r"notebooks/[^)\s]+?\.ipynb", text.replace("%2F", "/"))
    assert "notebooks/01_quickstart.ipynb" in linked
    assert {(ROOT / link).exists() for link in linked} == {True}


def python_of_binder() -> str:
    """Return Binder's Python, or fail: in CI a missing one is no reason to skip."""
    major, minor = runtime()
    versions = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    # pyenv's own python3.12 in PATH is a shim, which starts nothing where another is chosen.
    candidates = [*sorted(versions.glob(f"{major}.{minor}.*/bin/python")), f"python{major}.{minor}"]
    for candidate in candidates:
        code = "import ensurepip, sys; print(*sys.version_info[:2])"
        try:
            done = subprocess.run([candidate, "-c", code], capture_output=True, text=True)
        except OSError:
            continue
        if done.stdout.split() == [str(major), str(minor)]:
            return str(candidate)
    pytest.fail(f"Python {major}.{minor}, which binder/runtime.txt names, is not here")


def run(command, folder: Path, variables: dict[str, str]) -> None:
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
    )
    assert done.returncode == 0, f"{command}: {done.stdout[-4000:]}{done.stderr[-4000:]}"


RUN_FROM = """
import runpy, sys
from pathlib import Path
door = runpy.run_path("notebooks/__main__.py", run_name="door")
door["execute"](Path(sys.argv[1]), Path(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Return a copy of the project, the Python Binder would have for it, and its variables."""
    if not os.environ.get("NBEXPORT_CI"):
        pytest.skip("builds an environment from binder/, minutes of work; set NBEXPORT_CI=1")
    if sys.version_info[:2] < runtime():
        pytest.skip("the tests on a newer Python build the same environment")
    top = tmp_path_factory.mktemp("binder")
    source, home = top / "source", top / "home"
    home.mkdir()
    left_out = shutil.ignore_patterns(".*", "__pycache__", "exports", "build", "dist")
    shutil.copytree(ROOT, source, ignore=left_out)
    subprocess.run([python_of_binder(), "-m", "venv", top / "env"], check=True)
    programs = top / "env" / ("Scripts" if os.name == "nt" else "bin")
    variables = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith(("PYTHON", "VIRTUAL_ENV", "JUPYTER", "IPYTHON", "MPL", "COV"))
    }
    variables["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"
    python = programs / "python"
    pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    run([*pip, BASE_PIP], source, variables)
    run([*pip, *BASE], source, variables)
    run([*pip, "-r", "binder/requirements.txt"], source, variables)
    run([python, "-m", "pip", "check"], source, variables)
    return source, python, variables | {"HOME": str(home)}


@pytest.mark.xdist_group("binder")
@pytest.mark.parametrize("place", [".", "notebooks"])
@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_notebook_runs_on_binder(path, place, built):
    """From the top, where the terminal starts, and from where JupyterLab starts a kernel."""
    source, python, variables = built
    with Usage() as usage:
        command = [python, "-c", RUN_FROM, source / "notebooks" / path.name, source / place]
        run(command, source, variables)
    exports = source / place / "exports"
    assert any(exports.iterdir())
    shutil.rmtree(exports)
    assert 50e6 < usage.nbytes < MOST_NBYTES
