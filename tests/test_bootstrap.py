"""The bootstrapper behind `python3 tests` and `python3 notebooks`; no network, no install."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def load(path):
    spec = importlib.util.spec_from_file_location(f"loaded_{path.parent.name}_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def bootstrap():
    return load(ROOT / "binder" / "bootstrap.py")


@pytest.fixture
def door(monkeypatch):
    monkeypatch.setattr(sys, "path", ["its own folder", *sys.path])
    return load(ROOT / "tests" / "__main__.py")


@pytest.fixture
def env(tmp_path, monkeypatch):
    """Return the place of an environment that isn't there yet."""
    folder = tmp_path / "env"
    monkeypatch.setenv("NBEXPORT_VENV", str(folder))
    return folder


def test_old_python_is_refused_in_one_sentence(bootstrap):
    text = bootstrap.refusal((3, 10, 13, "final", 0))
    assert text == (
        "nbexport needs Python 3.11 or newer, this is 3.10.13; start it with a newer one."
    )
    assert bootstrap.refusal((3, 11, 0)) == bootstrap.refusal((3, 14, 0)) == ""


def test_refusal_comes_before_anything_is_made(bootstrap, env, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    with pytest.raises(SystemExit, match=r"needs Python 3\.11"):
        bootstrap.prepare("test")
    assert not env.exists()


def test_stamp_changes_with_what_matters(bootstrap):
    base = {"extra": "test", "pyproject": b"a", "root": Path("/a"), "version": (3, 11, 7)}
    others = [
        {"extra": "lab"},
        {"pyproject": b"b"},
        {"root": Path("/b")},  # an editable install points at its checkout
        {"version": (3, 12, 7)},
    ]
    stamps = [bootstrap.stamp(**{**base, **other}) for other in ({}, *others)]
    assert len(set(stamps)) == len(stamps)
    assert bootstrap.stamp(**{**base, "version": (3, 11, 9)}) == stamps[0]


def test_environment_is_beside_pyproject_unless_told(bootstrap, monkeypatch, tmp_path):
    monkeypatch.delenv("NBEXPORT_VENV", raising=False)
    assert bootstrap.environment() == ROOT / ".venv"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NBEXPORT_VENV", "mine")
    assert bootstrap.environment() == tmp_path / "mine"


def test_windows_keeps_its_python_elsewhere(bootstrap, monkeypatch, tmp_path):
    monkeypatch.setattr(bootstrap.os, "name", "nt")
    found = bootstrap.python_of(tmp_path)
    monkeypatch.undo()
    assert found == tmp_path / "Scripts" / "python.exe"


def test_running_environment_is_usable_and_others_are_not(bootstrap, tmp_path):
    assert bootstrap.is_usable(Path(sys.prefix))
    assert not bootstrap.is_usable(tmp_path)
    broken = bootstrap.python_of(tmp_path)
    broken.parent.mkdir()
    broken.write_text("not a program")
    assert not bootstrap.is_usable(tmp_path)


@pytest.fixture
def recorded(bootstrap, monkeypatch):
    """Record what would be created and installed."""
    calls = []
    monkeypatch.setattr(bootstrap, "is_usable", Path.exists)
    monkeypatch.setattr(bootstrap, "create", lambda env: (calls.append("create"), env.mkdir()))
    monkeypatch.setattr(bootstrap, "_must", lambda command: calls.append(command[-1]))
    return calls


def test_installs_once_an_extra(bootstrap, env, recorded, capsys):
    python = str(bootstrap.python_of(env))
    assert bootstrap.prepare("test") == python
    assert recorded == ["create", f"{ROOT}[test]"]
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert bootstrap.prepare("test") == python
    assert len(recorded) == 2
    assert capsys.readouterr() == ("", "")
    bootstrap.prepare("lab")
    assert recorded[2:] == [str(ROOT / "binder" / "requirements.txt")]


def test_failed_install_is_tried_again(bootstrap, env, recorded, monkeypatch):
    def fail(command):
        sys.exit(3)

    with monkeypatch.context() as patch:
        patch.setattr(bootstrap, "_must", fail)
        with pytest.raises(SystemExit):
            bootstrap.prepare("test")
    bootstrap.prepare("test")
    assert recorded == ["create", f"{ROOT}[test]"]


def test_interrupt_while_installing_leaves_quietly(bootstrap, env, recorded, monkeypatch, capsys):
    def interrupt(command):
        raise KeyboardInterrupt

    monkeypatch.setattr(bootstrap, "_must", interrupt)
    with pytest.raises(SystemExit) as stopped:
        bootstrap.prepare("test")
    assert stopped.value.code == 130
    assert "stopped" in capsys.readouterr().err


def test_foreign_folder_is_not_emptied(bootstrap, env):
    env.mkdir()
    (env / "thesis.txt").write_text("all of it")
    with pytest.raises(SystemExit, match="not a virtual environment"):
        bootstrap.create(env)
    assert (env / "thesis.txt").exists()


@pytest.mark.parametrize("missing", ["ensurepip", "venv"])
def test_virtualenv_steps_in(bootstrap, env, monkeypatch, missing):
    found = importlib.util.find_spec
    commands = []
    monkeypatch.setattr(
        bootstrap.importlib.util, "find_spec", lambda n: None if n == missing else found(n)
    )
    monkeypatch.setattr(bootstrap, "_must", lambda command, **env: commands.append((command, env)))
    bootstrap.create(env)
    (install, _), (make, variables) = commands
    assert install[-1] == "virtualenv"
    assert make[1:3] == ["-m", "virtualenv"]
    assert make[-1] == str(env)
    assert variables["PYTHONPATH"] == install[-2]


def test_without_pip_too_it_says_what_to_install(bootstrap, env, monkeypatch):
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="apt install python3-venv"):
        bootstrap.create(env)


@pytest.mark.parametrize("code", [0, 1, 5])
def test_exit_code_is_the_jobs(bootstrap, code):
    assert bootstrap.run([sys.executable, "-c", f"raise SystemExit({code})"]) == code


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_killed_job_has_the_shells_exit_code(bootstrap):
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    assert bootstrap.run([sys.executable, "-c", kill]) == 128 + 15


def test_job_runs_at_the_top(bootstrap, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code = f"import os; raise SystemExit(os.getcwd() != {str(ROOT)!r})"
    assert bootstrap.run([sys.executable, "-c", code]) == 0


@pytest.mark.parametrize(
    ("given", "shared"),
    [
        ([], True),
        (["-k", "zarr", "-x"], True),
        (["-n", "0"], False),
        (["-n4"], False),
        (["--numprocesses=2"], False),
        (["-s"], False),
        (["-p", "no:xdist"], False),
        (["--benchmark-enable"], False),
    ],
)
def test_tests_share_the_work_unless_told(door, given, shared):
    assert door.options(given) == (
        ["-n", "auto", "--dist", "loadgroup", *given] if shared else given
    )


@pytest.mark.parametrize("folder", ["tests", "notebooks"])
def test_start_without_site_packages(folder):
    """Both need the standard library only: an isolated Python parses and loads them."""
    code = (
        "import runpy, sys; sys.argv[1:] = ['--help']; "
        f"runpy.run_path({str(ROOT / folder / '__main__.py')!r}, run_name='loaded')"
    )
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)
