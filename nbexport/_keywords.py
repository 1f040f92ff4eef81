"""Keywords are looked at first: a word that does not exist, a flag or a mapping that is none."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, ParamSpec, TypeVar

from nbexport.errors import PlanError

P = ParamSpec("P")
R = TypeVar("R")

# As annotations are spelled in this package, whose modules all keep them as text.
_MAPPING: Final = re.compile(r"Mapping\[[^|]*\] \| None")


def names_nearest(function: Callable[P, R]) -> Callable[P, R]:
    """Make `function` answer an unknown keyword with the nearest known one.

    Python 3.13 does this for plain functions; 3.11 and 3.12 only name the wrong word. What is
    annotated ``bool`` or as an optional mapping is checked here too, once for all functions.

    Examples
    --------
    >>> @names_nearest
    ... def write(*, chunks=None, overwrite=False): ...
    >>> write(chunk=64)
    Traceback (most recent call last):
        ...
    TypeError: write() has no keyword 'chunk'; did you mean 'chunks'?
    """
    parameters = inspect.signature(function).parameters
    flags = {name for name, parameter in parameters.items() if parameter.annotation == "bool"}
    mappings = {n for n, p in parameters.items() if _MAPPING.fullmatch(str(p.annotation))}
    known = [
        name
        for name, parameter in parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and name != "self"
    ]
    # A class is called by its own name.
    called = function.__qualname__.removesuffix(".__init__").rsplit(".", 1)[-1].strip("_")

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for word, value in kwargs.items():
            if word not in known:
                near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(known)
                raise TypeError(f"{called}() has no keyword {word!r}; {hint}")
            if word in flags:
                _check_flag(word, value)
            elif word in mappings and not (value is None or isinstance(value, Mapping)):
                # Not its value: storage_options hold secrets.
                raise PlanError(
                    f"{word} is of type {type(value).__name__!r}, which is no mapping; "
                    "write it as {name: value, …}"
                )
        return function(*args, **kwargs)

    return checked


def _check_flag(word: str, value: Any) -> None:
    # Comparisons of numpy give a bool of its own.
    if not (isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")):
        raise PlanError(f"{word}={value!r} is neither True nor False; use one of these")
