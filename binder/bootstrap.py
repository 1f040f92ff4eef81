"""Makes the project's virtual environment and runs jobs in it; needs nothing but Python and pip.

Behind ``python3 tests`` and ``python3 notebooks``. The environment is ``.venv`` beside
pyproject.toml, or where ``NBEXPORT_VENV`` says. Written so that older Pythons can read it too:
they are told, in one sentence, which Python is needed.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# What Binder installs, so that both open the same.
LAB = ROOT / "binder" / "requirements.txt"
OLDEST = (3, 11)
INTERRUPTED = 130


def refusal(version):
    """Return why a Python of `version` won't do, or an empty text where it will."""
    if tuple(version[:2]) >= OLDEST:
        return ""
    needed, found = (".".join(map(str, v[:3])) for v in (OLDEST, version))
    return f"nbexport needs Python {needed} or newer, this is {found}; start it with a newer one."


def environment():
    """Return the folder of the virtual environment."""
    return Path(os.environ.get("NBEXPORT_VENV") or ROOT / ".venv").expanduser().absolute()


def python_of(env):
    """Return the interpreter of the virtual environment `env`."""
    return env.joinpath(*(("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")))


def wanted(extra):
    """Return what pip is to install, as its arguments at the top of the project."""
    if extra == "lab":
        return ["--requirement", str(LAB)]
    return ["--editable", f"{ROOT}[{extra}]"]


def stamp(extra, pyproject, root=ROOT, version=sys.version_info):
    """Return a text that changes when `extra` must be installed anew.

    `pyproject` is the content of the files that say what it needs.
    """
    parts = (pyproject, extra.encode(), str(root).encode(), bytes(version[:2]))
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def is_usable(env):
    """Return whether `env` has a pip and the running Python's minor version."""
    probe = "import pip, sys; print(*sys.version_info[:2])"
    try:
        found = subprocess.run(
            [str(python_of(env)), "-c", probe], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return found.stdout.split() == [str(n) for n in sys.version_info[:2]]


def say(text):
    """Tell the user; stdout is the job's."""
    print(f"nbexport: {text}", file=sys.stderr, flush=True)


def create(env):
    """Make `env` with the running interpreter; what was there is replaced."""
    if env.exists() and not (env.is_dir() and _is_ours(env)):
        sys.exit(f"'{env}' is not a virtual environment; remove it or set NBEXPORT_VENV.")
    if importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip"):
        import venv

        builder = venv.EnvBuilder(clear=True, with_pip=True, symlinks=os.name != "nt")
        try:
            builder.create(env)
        except subprocess.CalledProcessError:  # ensurepip is there and does not work
            create_by_virtualenv(env)
    else:
        create_by_virtualenv(env)


def create_by_virtualenv(env):
    """Make `env` where ensurepip is missing, as on Debian: virtualenv brings its own pip."""
    if not importlib.util.find_spec("pip"):
        sys.exit(
            "This Python has neither ensurepip nor pip, so no environment can be made; "
            "install one (Debian: apt install python3-venv)."
        )
    # pip --target writes nothing into the system's own packages, so PEP 668 lets it pass.
    with tempfile.TemporaryDirectory() as tool:
        pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
        _must([*pip, "--target", tool, "virtualenv"])
        _must([sys.executable, "-m", "virtualenv", "-q", "--clear", str(env)], PYTHONPATH=tool)


def prepare(extra):
    """Return the Python of an environment that holds nbexport with `extra`, made where needed."""
    problem = refusal(sys.version_info)
    if problem:
        sys.exit(problem)
    try:
        return _prepared(extra)
    except KeyboardInterrupt:
        say("stopped; the next run goes on from here")
        sys.exit(INTERRUPTED)


def run(command):
    """Run `command` at the top of the project and return its exit code."""
    with subprocess.Popen(command, cwd=str(ROOT)) as job:
        while True:
            try:
                code = job.wait()
            except KeyboardInterrupt:
                continue  # the terminal told the job too; it ends in its own way
            return code if code >= 0 else 128 - code


def _prepared(extra):
    env = environment()
    python = str(python_of(env))
    mark = env / f"nbexport-{extra}.stamp"
    current = stamp(extra, (ROOT / "pyproject.toml").read_bytes() + LAB.read_bytes())
    usable = is_usable(env)
    if usable and mark.exists() and mark.read_text() == current:
        return python
    say(f"installing nbexport[{extra}] into {env}; this takes a minute or two")
    if not usable:
        create(env)
    mark.unlink(missing_ok=True)
    pip = [python, "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    _must([*pip, *wanted(extra)])
    mark.write_text(current)
    return python


def _is_ours(env):
    """Return whether the folder `env` may be emptied: it is empty, or a virtual environment."""
    return (env / "pyvenv.cfg").exists() or not any(env.iterdir())


def _must(command, **variables):
    """Run `command`, or leave with its exit code; it says itself what went wrong."""
    code = subprocess.run(command, env={**os.environ, **variables}, cwd=str(ROOT)).returncode
    if code:
        say(f"this command failed: {' '.join(command)}")
        sys.exit(code)
