"""All that a writer says while it works, and the bar that listens by default."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from nbexport._markup import human_nbytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an export is.

    Attributes
    ----------
    done, total
        Blocks finished and in all; of a movie, frames; of an upload, which follows an export, MiB.
    nbytes
        Bytes of source pixels finished; of an upload, bytes sent.
    what
        What is being written, for people.
    """

    done: int
    total: int
    nbytes: int
    what: str


ProgressOption = bool | Callable[[Progress], object] | None
"""True: a bar; False: nothing; None: a bar in notebooks and terminals; else a function."""


@contextmanager
def listener(
    option: ProgressOption, total: int, what: str, *, unit: str = "block"
) -> Iterator[Callable[[Progress], object]]:
    """Open what listens to an export of `total` units to `what`, and close it afterwards."""
    if callable(option):
        yield option
    elif option is True or (option is None and _someone_watches()):
        from tqdm.auto import tqdm

        with tqdm(total=total, desc=what, unit=unit, leave=False) as bar:
            shown = what

            def show(progress: Progress) -> None:
                nonlocal shown
                if progress.what != shown:  # an upload after the export
                    shown, bar.unit = progress.what, "MiB"
                    bar.set_description(shown, refresh=False)
                    bar.reset(progress.total)
                bar.set_postfix_str(human_nbytes(progress.nbytes), refresh=False)
                bar.update(progress.done - bar.n)

            yield show
    else:
        yield lambda progress: None


def _someone_watches() -> bool:
    """Return whether this is a notebook kernel or a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is not None and hasattr(shell, "kernel"):
        return True
    return sys.stderr is not None and sys.stderr.isatty()
