"""A keyword that does not exist is answered with the nearest one that does."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def names_nearest(function: Callable[P, R]) -> Callable[P, R]:
    """Make `function` answer an unknown keyword with the nearest known one.

    Python 3.13 does this for plain functions; 3.11 and 3.12 only name the wrong word.

    Examples
    --------
    >>> @names_nearest
    ... def write(*, chunks=None, overwrite=False): ...
    >>> write(chunk=64)
    Traceback (most recent call last):
        ...
    TypeError: write() has no keyword 'chunk'; did you mean 'chunks'?
    """
    known = [
        name
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    ]

    @functools.wraps(function)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        for word in kwargs:
            if word not in known:
                near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
                hint = f"did you mean {near[0]!r}?" if near else "known: " + ", ".join(known)
                raise TypeError(f"{function.__name__.strip('_')}() has no keyword {word!r}; {hint}")
        return function(*args, **kwargs)

    return checked
