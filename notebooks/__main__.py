"""``python3 notebooks``: run the quickstart without a browser; ``--lab``: open it in JupyterLab.

``python3 notebooks 03 metadata`` runs these, by number or name, and ``--all`` all of them. Exports
are real: they go through a Jupyter kernel into ``notebooks/exports/``.
"""

import argparse
import sys
from asyncio import CancelledError
from pathlib import Path

HERE = Path(__file__).resolve().parent
NOTEBOOKS = sorted(HERE.glob("*.ipynb"))
QUICKSTART = NOTEBOOKS[0]
# How the project's own environment is told, in a second process, to do the work.
IN_ENVIRONMENT = "--in-environment"


def main(arguments):
    """Prepare the environment and start the job in it; return its exit code."""
    sys.path.insert(0, str(HERE.parent / "binder"))
    import bootstrap

    parser = argparse.ArgumentParser(
        prog="python3 notebooks",
        usage="%(prog)s [-h] [--all | --lab] [NAME ...]",
        description=__doc__,
    )
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--all", action="store_true", help="run every notebook")
    one.add_argument("--lab", action="store_true", help="open the notebook in JupyterLab")
    # Names are among the rest: beside them may stand what JupyterLab alone understands.
    given, rest = parser.parse_known_args(arguments)
    if given.lab:
        chosen = find(rest[0]) if rest else QUICKSTART
        passed = rest[1:] if chosen and rest else rest
        python = bootstrap.prepare("lab")
        return bootstrap.run([python, "-m", "jupyterlab", str(chosen or QUICKSTART), *passed])
    unknown = [text for text in rest if not find(text)]
    if unknown:
        known = ", ".join(path.stem for path in NOTEBOOKS)
        parser.error(f"no notebook is called {unknown[0]!r}; there are {known}")
    if given.all and rest:
        parser.error(f"--all runs {rest[0]!r} too; leave it out, or leave --all out")
    paths = NOTEBOOKS if given.all else [find(text) for text in rest] or [QUICKSTART]
    python = bootstrap.prepare("lab")
    return bootstrap.run([python, str(HERE / "__main__.py"), IN_ENVIRONMENT, *map(str, paths)])


def find(text):
    """Return the notebook that `text` names, or None; ``05`` and ``metadata`` are names too."""
    wanted = Path(text).name.removesuffix(".ipynb")
    for path in NOTEBOOKS:
        number, _, name = path.stem.partition("_")
        if wanted in (path.stem, number, name):
            return path
    return None


def execute(path, folder, show=None):
    """Run the notebook at `path` in a fresh kernel that works in `folder`.

    `show`, if given, is called with each output as its cell is done. Returns the executed
    notebook; raises nbclient's CellExecutionError, whose text is the failing cell and its error.
    """
    import nbformat
    from nbclient import NotebookClient

    def tell(cell, **_):
        for output in cell.get("outputs", ()):
            show(output)

    def client():
        return NotebookClient(
            nbformat.read(path, as_version=4),
            timeout=600,
            kernel_name="python3",
            # Else the kernel warns that it talks without encryption, and complains after Ctrl-C.
            extra_arguments=["--log-level=CRITICAL"],
            store_widget_state=False,
            resources={"metadata": {"path": str(folder)}},
            **({"on_cell_executed": tell} if show else {}),
        )

    for _ in range(2):
        try:
            return client().execute()
        except RuntimeError as error:
            # Jupyter picks free ports and the kernel takes them a second later; seen once in 20
            # runs beside other servers: "Address already in use". No cell has run then.
            if "Kernel died before replying" not in str(error):
                raise
    return client().execute()


def run(paths):
    """Run the notebooks, show what they show and where their exports are; return an exit code."""
    try:
        return _run(paths)
    except (KeyboardInterrupt, CancelledError, AssertionError):
        # After Ctrl-C nbclient misses its kernel: that is the AssertionError; a cell's own would
        # be a CellExecutionError.
        print("\nstopped", file=sys.stderr)
        return 130


def _run(paths):
    from nbclient.exceptions import CellExecutionError

    exports = HERE / "exports"
    exports.mkdir(exist_ok=True)
    failed = []
    for path in paths:
        if len(paths) > 1:
            print(f"\n--- {path.name}", flush=True)
        try:
            execute(path, HERE, show=show)
        except CellExecutionError as error:
            print(f"\n{path.name} failed:\n{error}", file=sys.stderr)
            failed.append(path.name)
    if failed:
        if len(paths) > 1:
            print(f"\nfailed: {', '.join(failed)}", file=sys.stderr)
        return 1
    print("\nWritten:")
    for path in sorted(exports.iterdir()):
        files = [p for p in (path, *path.rglob("*")) if p.is_file()]
        print(f"  {path}  {sum(p.stat().st_size for p in files) / 2**20:.2f} MiB")
    return 0


def show(output):
    """Print an output of a cell as a terminal can show it; errors come by exception."""
    if output.output_type == "stream":
        stream = sys.stderr if output.name == "stderr" else sys.stdout
        print(output.text, end="", file=stream, flush=True)
    elif output.output_type == "execute_result":
        print(output.data.get("text/plain", ""), flush=True)


if __name__ == "__main__":
    if sys.argv[1:2] == [IN_ENVIRONMENT]:
        sys.exit(run([Path(text) for text in sys.argv[2:]]))
    sys.exit(main(sys.argv[1:]))
