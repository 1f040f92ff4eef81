"""Which channels are shown, and how: wishes first, looks once pixels are at hand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from nbexport._numbers import is_finite
from nbexport.errors import PlanError
from nbexport.model import ImageSpec
from nbexport.pixels import (
    USUAL,
    Ends,
    Look,
    by_channel,
    find_channel,
    find_window,
    is_window,
    parse_window,
)
from nbexport.plan import FramePlan

OneWindow = str | tuple[float | str, float | str] | None
WindowWish = OneWindow | Sequence[OneWindow] | Mapping[str | int, OneWindow]
VisibleWish = Sequence[str | int] | str | int | None
PerChannel = float | Sequence[float] | Mapping[str | int, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LookWish:
    """How one channel is to be shown; the ends of its window may wait for the pixels."""

    ends: Ends
    color: str = "FFFFFF"
    cmap: str | None = None
    gamma: float = 1.0

    @property
    def shown_color(self) -> str | None:
        """Return the colour that stands for the channel, if it is one."""
        return None if self.cmap is not None else self.color


def choose_channels(
    image: ImageSpec, along: str | None, visible: VisibleWish
) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """Return the channels that are shown, and what is to be said of it."""
    everything = tuple(range(len(image.channels)))
    if image.kind != "intensity" or along == "c":
        if visible is not None:
            why = "along='c' shows each" if along == "c" else f"{image.kind} has no channels"
            raise PlanError(f"visible={visible!r} chooses channels, and {why}; leave it out")
        return (everything if image.kind == "intensity" else ()), ()
    if visible is not None:
        if isinstance(visible, Sequence) and not isinstance(visible, str):
            keys = list(visible)
        else:
            keys = [visible]
        labels = [channel.label for channel in image.channels]
        chosen = tuple(find_channel(key, labels, "visible") for key in keys)
        if not chosen:
            raise PlanError("visible=[] would show nothing; name at least one channel")
        if len(set(chosen)) < len(chosen):
            raise PlanError(f"visible={visible!r} names a channel twice; once is enough")
        return chosen, ()
    active = tuple(i for i in everything if image.channels[i].active)
    if not active or active == everything:
        return everything, ()
    hidden = [image.channels[i].label for i in everything if i not in active]
    return active, (f"inactive channels are not shown: {', '.join(hidden)}; pass visible=[…]",)


def wish_looks(
    plan: FramePlan, window: WindowWish, cmap: str | None, gamma: PerChannel
) -> tuple[LookWish, ...]:
    """Return how each channel is to be shown; none for labels, one for RGB."""
    image = plan.image
    if cmap is not None:
        _check_cmap(plan, cmap)
    if image.kind == "labels":
        for word, value, usual in (("window", window, None), ("gamma", gamma, 1.0)):
            if value != usual:
                raise PlanError(
                    f"{word}={value!r} has no meaning for labels, whose colours are fixed; "
                    "leave it out, or pass kind='intensity'"
                )
        return ()
    chosen = plan.channels or (0,)
    labels = [channel.label for channel in image.channels]
    windows = dict.fromkeys(chosen, window)
    if window is not None and not isinstance(window, str) and not is_window(window):
        windows |= dict.fromkeys(chosen) | by_channel(window, labels, chosen, "window")
    gammas: dict[int, Any] = dict.fromkeys(chosen, gamma)
    if not isinstance(gamma, Real | str):
        gammas = dict.fromkeys(chosen, 1.0) | by_channel(gamma, labels, chosen, "gamma")
    wishes = []
    for i in chosen:
        channel = image.channels[i]
        wishes.append(
            LookWish(
                ends=_ends(plan, windows[i], channel.window),
                color=channel.color,
                cmap=cmap,
                gamma=_checked_gamma(gammas[i]),
            )
        )
    return tuple(wishes)


def find_looks(
    plan: FramePlan, wishes: Sequence[LookWish], sample: Callable[[], npt.NDArray[Any]]
) -> tuple[Look, ...]:
    """Return how each plane is shown (of frames along c, each frame); `sample` is asked if needed.

    Parameters
    ----------
    plan
        The frames.
    wishes
        See :func:`wish_looks`.
    sample
        Returns (frame, plane, y, x) pixels of the series.
    """
    if plan.image.kind == "labels":
        return (Look(labels=True),)
    pixels = np.zeros((plan.n_frames, plan.n_planes, 0, 0), plan.dtype)
    if any(end.percent for wish in wishes for end in wish.ends):
        pixels = sample()
    looks = []
    for i, wish in enumerate(wishes):
        ours = pixels
        if plan.image.kind != "rgb":
            ours = pixels[i] if plan.along == "c" else pixels[:, i]
        looks.append(
            Look(
                window=find_window(wish.ends, ours),
                color=wish.color,
                cmap=wish.cmap,
                gamma=wish.gamma,
            )
        )
    if plan.image.kind == "rgb":
        (look,) = looks
        return tuple(
            Look(window=look.window, color=color, gamma=look.gamma)
            for color in ("FF0000", "00FF00", "0000FF")
        )
    return tuple(looks)


def _ends(plan: FramePlan, wish: Any, said: tuple[float, float] | None) -> Ends:
    """Return the ends that are wished for; else those that the image says, else the usual ones."""
    rgb = plan.image.kind == "rgb"
    if wish is not None:
        return parse_window(wish, plan.dtype)
    if rgb:  # shown as they are
        return parse_window("full" if np.dtype(plan.dtype).kind in "iu" else (0, 1), plan.dtype)
    # What is said of pixels holds for their maximum and mean, not for their sum.
    return USUAL if said is None or plan.method == "sum" else parse_window(said, plan.dtype)


def _check_cmap(plan: FramePlan, cmap: str) -> None:
    from difflib import get_close_matches

    from matplotlib import colormaps

    if plan.image.kind != "intensity":
        raise PlanError(
            f"cmap={cmap!r} has no meaning for {plan.image.kind}, which has colours of its own; "
            "leave it out, or pass kind='intensity'"
        )
    if len(plan.channels) > 1 and plan.along != "c":
        names = ", ".join(repr(plan.image.channels[i].label) for i in plan.channels)
        raise PlanError(
            f"cmap={cmap!r} needs a single channel, and {names} are visible; "
            "choose one with visible='…'"
        )
    if not isinstance(cmap, str) or cmap not in colormaps:
        near = get_close_matches(str(cmap), list(colormaps), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else "use one such as 'viridis' or 'gray'"
        raise PlanError(f"cmap={cmap!r} is no colormap of matplotlib; {hint}")


def _checked_gamma(gamma: Any) -> float:
    if not (is_finite(gamma) and gamma > 0):
        raise PlanError(f"gamma={gamma!r} is not a positive number; 1 leaves brightness as it is")
    return float(gamma)
