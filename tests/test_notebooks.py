"""Each notebook runs from top to bottom in a real kernel, and is committed without outputs."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))


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
    runner.execute(path, folder)
    assert any((folder / "exports").iterdir())


def test_failing_cell_is_an_error_with_its_text(runner, kernel_home, tmp_path):
    from nbclient.exceptions import CellExecutionError

    path = tmp_path / "failing.ipynb"
    cells = [nbformat.v4.new_code_cell("print('before')\nraise ValueError('no such cell')")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    shown = []
    with pytest.raises(CellExecutionError, match="no such cell"):
        runner.execute(path, tmp_path, show=shown.append)
    assert shown[0].text == "before\n"


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_notebook_is_stripped(path):
    done = subprocess.run(
        [sys.executable, "-m", "nbstripout", "--verify", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, f"run nbstripout on it: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_notebook_opens_everywhere(path):
    notebook = nbformat.read(path, as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    # Without it JupyterLab asks for a kernel and waits.
    assert notebook.metadata.kernelspec.name == "python3"
