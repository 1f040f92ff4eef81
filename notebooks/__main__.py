"""``python3 notebooks``: run the quickstart without a browser; ``--lab``: open it in JupyterLab.

The export is real: it goes through a Jupyter kernel into ``notebooks/exports/``.
"""

import argparse
import sys
from asyncio import CancelledError
from pathlib import Path

HERE = Path(__file__).resolve().parent
QUICKSTART = HERE / "01_quickstart.ipynb"
# How the project's own environment is told, in a second process, to do the work.
IN_ENVIRONMENT = "--in-environment"


def main(arguments):
    """Prepare the environment and start the job in it; return its exit code."""
    sys.path.insert(0, str(HERE.parent / "binder"))
    import bootstrap

    parser = argparse.ArgumentParser(prog="python3 notebooks", description=__doc__)
    parser.add_argument("--lab", action="store_true", help="open the notebook in JupyterLab")
    # What JupyterLab alone understands passes through to it.
    given, rest = parser.parse_known_args(arguments)
    if rest and not given.lab:
        parser.error(f"unknown arguments: {' '.join(rest)}")
    python = bootstrap.prepare("lab")
    if given.lab:
        return bootstrap.run([python, "-m", "jupyterlab", str(QUICKSTART), *rest])
    return bootstrap.run([python, str(HERE / "__main__.py"), IN_ENVIRONMENT])


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


def quickstart():
    """Run the quickstart, show what it shows and where its exports are; return an exit code."""
    try:
        return _quickstart()
    except (KeyboardInterrupt, CancelledError, AssertionError):
        # After Ctrl-C nbclient misses its kernel: that is the AssertionError; a cell's own would
        # be a CellExecutionError.
        print("\nstopped", file=sys.stderr)
        return 130


def _quickstart():
    from nbclient.exceptions import CellExecutionError

    exports = HERE / "exports"
    exports.mkdir(exist_ok=True)
    try:
        execute(QUICKSTART, HERE, show=show)
    except CellExecutionError as error:
        print(f"\n{QUICKSTART.name} failed:\n{error}", file=sys.stderr)
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
    sys.exit(quickstart() if sys.argv[1:] == [IN_ENVIRONMENT] else main(sys.argv[1:]))
