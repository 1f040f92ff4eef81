"""Each notebook runs from top to bottom in a real kernel, and is committed without outputs."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest
from processes import Usage

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
MOST_NBYTES = 10**9
MOST_SECONDS = 60  # of processor time, which neighbours don't prolong as they do a clock's


@pytest.fixture(scope="module")
def runner():
    """Return the module behind `python3 notebooks`."""
    spec = importlib.util.spec_from_file_location("nbexport_notebooks", NOTEBOOKS / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def kernel_home(tmp_path, monkeypatch):
    """Keep the kernel out of the user's own Jupyter settings."""
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_notebook_runs(path, runner, kernel_home, tmp_path):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    with Usage() as usage:
        runner.execute(path, folder)
    assert any((folder / "exports").iterdir())
    assert 50e6 < usage.nbytes < MOST_NBYTES
    assert 0.5 < usage.seconds < MOST_SECONDS


def test_usage_counts_processes_below_processes():
    """A child of a child that takes 200 MB and half a second of work."""
    hungry = (
        "import time; x = bytearray(200_000_000); x[::4096] = b'1' * len(x[::4096])\n"
        "while time.process_time() < 0.5: pass\ntime.sleep(0.2)"
    )
    outer = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {hungry!r}], check=True)"
    )
    with Usage() as usage:
        subprocess.run([sys.executable, "-c", outer], check=True)
    assert 200e6 < usage.nbytes < 300e6
    assert 0.4 < usage.seconds < 5


def test_failing_cell_is_an_error_with_its_text(runner, kernel_home, tmp_path):
    from nbclient.exceptions import CellExecutionError

    path = tmp_path / "failing.ipynb"
    cells = [nbformat.v4.new_code_cell("print('before')\nraise ValueError('no such cell')")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    shown = []
    with pytest.raises(CellExecutionError, match="no such cell"):
        runner.execute(path, tmp_path, show=shown.append)
    assert shown[0].text == "before\n"


def test_notebooks_are_stripped():
    done = subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", *map(str, PATHS)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"run nbstripout on them: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_notebook_opens_everywhere(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    # Without it JupyterLab asks for a kernel and waits.
    assert notebook.metadata.kernelspec.name == "python3"


def test_notebooks_are_counted():
    """From 01 on without a gap; the quickstart, which the door opens, is the first."""
    names = [path.stem for path in PATHS]
    assert all(re.fullmatch("[0-9]{2}_[a-z_]+", name) for name in names)
    assert [int(name[:2]) for name in names] == [*range(1, len(names) + 1)]
    assert names[0] == "01_quickstart"


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_notebook_asserts_its_claims(path):
    cells = nbformat.read(path, as_version=4).cells
    code = [cell.source for cell in cells if cell.cell_type == "code"]
    assert sum(source.count("assert ") for source in code) >= 5
    assert cells[0].source.startswith("# ")


@pytest.fixture
def door(runner, monkeypatch):
    """Return the door, with what it would run in place of running it."""
    stub = SimpleNamespace(prepare=lambda extra: extra, run=lambda command: command)
    monkeypatch.setitem(sys.modules, "bootstrap", stub)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return runner.main


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ([], ["01_quickstart"]),
        (["03"], ["03_big_images"]),
        (["metadata", "01_quickstart"], ["05_metadata", "01_quickstart"]),
        (["notebooks/05_metadata.ipynb"], ["05_metadata"]),
        (["--all"], [path.stem for path in PATHS]),
    ],
)
def test_door_runs_what_is_named(door, runner, given, names):
    python, script, word, *paths = door(given)
    assert (python, Path(script), word) == (
        "lab",
        NOTEBOOKS / "__main__.py",
        runner.IN_ENVIRONMENT,
    )
    assert paths == [str(NOTEBOOKS / f"{name}.ipynb") for name in names]


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        (["--lab"], ["01_quickstart"]),
        (["--lab", "03"], ["03_big_images"]),
        (["--lab", "--port", "9999"], ["01_quickstart", "--port", "9999"]),
        (["--lab", "metadata", "--no-browser"], ["05_metadata", "--no-browser"]),
    ],
)
def test_door_opens_lab(door, given, passed):
    name, *rest = passed
    assert door(given) == ["lab", "-m", "jupyterlab", str(NOTEBOOKS / f"{name}.ipynb"), *rest]


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (["99"], "no notebook is called '99'; there are 01_quickstart, "),
        (["01", "--prot"], "no notebook is called '--prot'"),
        (["--all", "01"], "--all runs '01' too; leave it out, or leave --all out"),
        (["--all", "--lab"], "not allowed with argument"),
    ],
)
def test_door_refuses(door, given, text, capsys):
    with pytest.raises(SystemExit) as left:
        door(given)
    assert left.value.code == 2
    assert text in capsys.readouterr().err


def test_several_run_although_one_fails(runner, kernel_home, tmp_path, monkeypatch, capsys):
    paths = []
    for name, source in (("bad", "1 / 0"), ("good", "open('exports/a.txt', 'w').write('a')")):
        paths.append(tmp_path / f"{name}.ipynb")
        cells = [nbformat.v4.new_code_cell(source)]
        nbformat.write(nbformat.v4.new_notebook(cells=cells), paths[-1])
    monkeypatch.setattr(runner, "HERE", tmp_path)
    assert runner.run(paths) == 1
    said = capsys.readouterr()
    assert "ZeroDivisionError" in said.err
    assert said.err.endswith("failed: bad.ipynb\n")
    assert (tmp_path / "exports" / "a.txt").read_text() == "a"
    assert runner.run(paths[1:]) == 0
    assert "exports/a.txt  0.00 MiB" in capsys.readouterr().out.replace("\\", "/")
