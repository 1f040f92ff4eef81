"""What people say of a window, and the window that follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from numbers import Real
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nbexport.errors import PlanError
from nbexport.pixels._contrast import display_windows, narrow_window

_RIGHT: Final = (
    'use (100, 4000), ("1%", "99.9%"), "minmax" or "full", or one of these a channel in a dict'
)


@dataclass(frozen=True, slots=True)
class End:
    """One end of a window: a pixel value, or a percentile of the pixels."""

    value: float
    percent: bool = False


Ends = tuple[End, End]
USUAL: Final = (End(0.1, percent=True), End(99.9, percent=True))


def parse_window(wish: object, dtype: str) -> Ends:
    """Return the two ends that `wish` names.

    Parameters
    ----------
    wish
        ``"full"`` (the range of an integer type), ``"minmax"``, or a pair of which each is a pixel
        value or a percentile: ``(0, "99.9%")``.
    dtype
        The pixels' type.

    Raises
    ------
    PlanError
        If it is anything else, or ends before it starts.

    Examples
    --------
    >>> parse_window((0, "99.9%"), "uint16")
    (End(value=0.0, percent=False), End(value=99.9, percent=True))
    """
    if wish == "minmax":
        return (End(0.0, percent=True), End(100.0, percent=True))
    if wish == "full":
        kind = np.dtype(dtype)
        if kind.kind not in "iu":
            raise PlanError(
                f"window='full' has no meaning for {dtype} pixels, which have no full range; "
                "use 'minmax', or numbers"
            )
        info = np.iinfo(kind)
        return (End(float(info.min)), End(float(info.max)))
    if not is_window(wish):
        raise PlanError(f"window={wish!r} is not known; {_RIGHT}")
    assert isinstance(wish, Sequence)
    start, end = (_end(part, wish) for part in wish)
    if start.percent == end.percent and not start.value < end.value:
        raise PlanError(f"window={wish!r} ends before it starts; write it as (darkest, brightest)")
    return (start, end)


def is_window(wish: object) -> bool:
    """Return whether `wish` is one window, and not one a channel."""
    if isinstance(wish, str):
        return wish in ("full", "minmax")
    return (
        isinstance(wish, Sequence)
        and len(wish) == 2
        and all(
            (isinstance(part, Real) and not isinstance(part, bool))
            or (isinstance(part, str) and part.rstrip().endswith("%"))
            for part in wish
        )
    )


def _end(part: Any, wish: object) -> End:
    percent = isinstance(part, str)
    try:
        value = float(part.rstrip().removesuffix("%") if percent else part)
    except (ValueError, OverflowError):
        value = inf
    if not isfinite(value) or (percent and not 0 <= value <= 100):
        raise PlanError(f"window={wish!r} has the end {part!r}; {_RIGHT}")
    return End(value, percent)


def find_window(ends: Ends, sample: npt.NDArray[Any]) -> tuple[float, float]:
    """Return (start, end), finite and ``start < end``, whatever the pixels of `sample` are.

    Examples
    --------
    >>> find_window((End(0.0), End(50.0, percent=True)), np.arange(101))
    (0.0, 50.0)
    >>> find_window(USUAL, np.full(9, np.nan))
    (0.0, 1.0)
    """
    start, end = (part.value for part in ends)
    if ends[0].percent or ends[1].percent:
        low, high = (part.value if part.percent else usual.value for part, usual in _paired(ends))
        _, _, low, high = display_windows([(0, sample)], 1, (low, high))[0]
        start, end = low if ends[0].percent else start, high if ends[1].percent else end
    if not start < end:
        start, end = narrow_window(start)
    return (start, end)


def _paired(ends: Ends) -> zip[tuple[End, End]]:
    return zip(ends, USUAL, strict=True)


def by_channel(
    wish: object, labels: Sequence[str], chosen: Sequence[int], word: str
) -> dict[int, object]:
    """Return what `wish` says of each of the `chosen` channels that it names.

    Parameters
    ----------
    wish
        A dict by channel name or number, or a sequence with one entry a chosen channel.
    labels
        Names of all channels.
    chosen
        The channels that are shown.
    word
        The option, for the sentence that says what is wrong.
    """
    if isinstance(wish, Mapping):
        return {find_channel(key, labels, word): value for key, value in wish.items()}
    if isinstance(wish, Sequence) and not isinstance(wish, str) and len(wish) == len(chosen):
        return dict(zip(chosen, wish, strict=True))
    raise PlanError(
        f"{word}={wish!r} does not fit {len(chosen)} channels; give one for all, one a channel, "
        f"or a dict such as {{{labels[chosen[0]]!r}: …}}"
    )


def find_channel(key: object, labels: Sequence[str], word: str) -> int:
    """Return the number of the channel that `key`, a name or a number, means.

    Examples
    --------
    >>> find_channel("GFP", ["DAPI", "GFP"], "visible"), find_channel(-1, ["DAPI", "GFP"], "")
    (1, 1)
    """
    n = len(labels)
    if isinstance(key, int | np.integer) and not isinstance(key, bool) and -n <= key < n:
        return int(key) % n
    if isinstance(key, str) and key in labels:
        return list(labels).index(key)
    import difflib

    names = [repr(label) for label in labels]
    near = difflib.get_close_matches(str(key), labels, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}?" if near else "the channels are " + ", ".join(names)
    raise PlanError(f"{word} names {key!r}, which is no channel of this image; {hint}")
