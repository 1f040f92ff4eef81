"""Losses as warnings that point at the user's own line."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable

from nbexport.errors import LossWarning


def warn_losses(texts: Iterable[str]) -> None:
    """Warn of each loss, as if the first caller outside of nbexport had done so.

    Python 3.12 has ``skip_file_prefixes`` for this, 3.11 has not.
    """
    level = 1
    frame = sys._getframe()
    while frame.f_back is not None and _is_ours(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
        level += 1
    for text in texts:
        warnings.warn(text, LossWarning, stacklevel=level)


def _is_ours(module: str) -> bool:
    return module == "nbexport" or module.startswith("nbexport.")
