"""What the panel means: one frozen value; nothing here knows a widget."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from math import isfinite
from typing import Any, Final, Literal, get_args

from nbexport.errors import PlanError

Format = Literal["ome-zarr", "ome-tiff", "movie", "image"]
FORMATS: Final[tuple[Format, ...]] = get_args(Format)
SUFFIXES: Final[dict[Format, tuple[str, ...]]] = {
    "ome-zarr": (".ome.zarr", ".zarr", ".ozx"),
    "ome-tiff": (".ome.tif", ".ome.tiff", ".ome.btf", ".tif", ".tiff", ".btf"),
    "movie": (
        *(".mp4", ".webm", ".mov", ".mkv", ".avi", ".gif", ".apng", ".webp"),
        *(".mpg", ".mpeg", ".wmv", ".ogg"),
    ),
    "image": (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"),
}
"""How targets of each format may end; the first is what the panel proposes."""

Pairs = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelState:
    """What the user changed of one channel; None: as the DataArray says.

    Attributes
    ----------
    label, color, window, active
        See :class:`nbexport.Channel`.
    """

    label: str | None = None
    color: str | None = None
    window: tuple[float, float] | None = None
    active: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelState:
    """All that the panel means; only what differs from the defaults is set.

    Mappings are kept as tuples of pairs, so that states can be compared and hashed.

    Attributes
    ----------
    target
        Where to write; None: a name made from the image's.
    format
        ``"ome-zarr"``, ``"ome-tiff"``, ``"movie"`` or ``"image"``.
    overwrite
        Replace an existing target.
    options
        By format, the options of its writer that were set.
    index
        By axis (t, z), the plane that is looked at.
    level
        The level that is looked at; None: as fine as the picture needs.
    channels
        What was changed of each channel; empty: nothing.
    crop
        By axis, the (start, stop) that is written.
    kept
        The channels that are written; None: all.
    name, dims, scale, units
        What the DataArray does not say itself; see :func:`nbexport.describe`.
    """

    target: str | None = None
    format: Format = "ome-zarr"
    overwrite: bool = False
    options: tuple[tuple[Format, Pairs], ...] = ()
    index: tuple[tuple[str, int], ...] = ()
    level: int | None = None
    channels: tuple[ChannelState, ...] = ()
    crop: tuple[tuple[str, tuple[int, int]], ...] = ()
    kept: tuple[int, ...] | None = None
    name: str | None = None
    dims: tuple[tuple[str, str], ...] = ()
    scale: tuple[tuple[str, float], ...] = ()
    units: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise PlanError(f"format={self.format!r} is not known; use one of {', '.join(FORMATS)}")
        for axis, (start, stop) in self.crop:
            if not 0 <= start < stop:
                raise PlanError(
                    f"crop of {axis!r} is {start} to {stop}; it must hold at least one pixel"
                )
        for i, channel in enumerate(self.channels):
            window = channel.window
            if window is not None and not (
                all(map(isfinite, window)) and len(window) == 2 and window[0] < window[1]
            ):
                raise PlanError(
                    f"window {window} of channel {i} is not (start, end) with start below end"
                )

    def options_of(self, format: Format) -> dict[str, Any]:
        """Return the options that were set for `format`."""
        return dict(dict(self.options).get(format, ()))

    def with_option(self, name: str, value: Any) -> PanelState:
        """Return this state with an option of its format set; None unsets it."""
        of_format = _with_pair(self.options_of(self.format), name, value)
        return replace(self, options=_with_pair(dict(self.options), self.format, of_format or None))

    def with_channel(self, number: int, **changes: Any) -> PanelState:
        """Return this state with `changes` of one channel: label, color, window or active."""
        known = [field.name for field in fields(ChannelState)]
        for word in changes:
            if word not in known:
                raise TypeError(f"a channel has no {word!r}; it has {', '.join(known)}")
        if isinstance(changes.get("window"), Sequence):
            changes["window"] = tuple(changes["window"])
        channels = list(self.channels)
        channels += [ChannelState()] * (number + 1 - len(channels))
        channels[number] = replace(channels[number], **changes)
        while channels and channels[-1] == ChannelState():
            channels.pop()
        return replace(self, channels=tuple(channels))

    def with_pair(self, field: str, key: str, value: Any) -> PanelState:
        """Return this state with one entry of `index`, `crop`, `dims`, `scale` or `units`."""
        changed: dict[str, Any] = {field: _with_pair(dict(getattr(self, field)), key, value)}
        return replace(self, **changed)

    def to_json(self) -> str:
        """Return this state as JSON; what is not set is left out."""
        bare = PanelState()
        data = {key: value for key, value in asdict(self).items() if value != getattr(bare, key)}
        for key in _MAPPINGS & data.keys():
            data[key] = dict(data[key])
        if "options" in data:
            data["options"] = {f: dict(pairs) for f, pairs in data["options"].items()}
        if "channels" in data:
            data["channels"] = [
                {key: value for key, value in channel.items() if value is not None}
                for channel in data["channels"]
            ]
        return json.dumps(data, ensure_ascii=False)

    @classmethod
    def from_json(cls, given: str | Mapping[str, Any]) -> PanelState:
        """Return the state that :meth:`to_json` gave as text, or the mapping it stands for.

        Raises
        ------
        PlanError
            If it is no such JSON.
        """
        try:
            data = json.loads(given) if isinstance(given, str) else dict(given)
            known = {field.name for field in fields(cls)}
            if unknown := [key for key in data if key not in known]:
                raise PlanError(
                    f"state has no field {unknown[0]!r}; its fields are {', '.join(sorted(known))}"
                )
            values = {key: _frozen(value) for key, value in data.items()}
            for key in {"dims", "scale", "units", "index", "crop"} & values.keys():
                values[key] = _sorted(values[key])
            if "channels" in data:
                values["channels"] = tuple(
                    ChannelState(**{key: _frozen(value) for key, value in dict(channel).items()})
                    for channel in data["channels"]
                )
            return cls(**values)
        except (TypeError, ValueError, KeyError) as error:
            if isinstance(error, PlanError):
                raise
            raise PlanError(
                f"state {str(given)[:60]!r} is not what PanelState.to_json gives: {error}"
            ) from error


_MAPPINGS: Final = {"options", "index", "crop", "dims", "scale", "units"}


def format_of(target: str) -> Format | None:
    """Return the format whose files end as `target` does.

    Examples
    --------
    >>> format_of("a/cells.OME.tif"), format_of("cells.zarr"), format_of("cells.mp4")
    ('ome-tiff', 'ome-zarr', 'movie')
    """
    name = target.lower().rstrip("/")
    order: tuple[Format, ...] = ("ome-zarr", "ome-tiff", "image", "movie")  # .tif, .webp are two
    return next((f for f in order if name.endswith(SUFFIXES[f])), None)


def renamed(target: str, format: Format) -> str:
    """Return `target` with the suffix of `format`.

    Examples
    --------
    >>> renamed("a/cells.ome.zarr", "ome-tiff"), renamed("cells.webm", "movie")
    ('a/cells.ome.tif', 'cells.webm')
    """
    if target.lower().endswith(SUFFIXES[format]):
        return target
    every = sorted({s for ends in SUFFIXES.values() for s in ends}, key=len, reverse=True)
    stem = next((target[: -len(s)] for s in every if target.lower().endswith(s)), target)
    return stem + SUFFIXES[format][0]


def _with_pair(mapping: dict[Any, Any], key: Any, value: Any) -> tuple[tuple[Any, Any], ...]:
    rest = {k: v for k, v in mapping.items() if k != key}
    return _sorted((rest if value is None else {**rest, key: _frozen(value)}).items())


def _sorted(pairs: Any) -> tuple[tuple[Any, Any], ...]:
    """Return pairs by key: two ways to one state give equal states."""
    return tuple(sorted(pairs, key=lambda pair: str(pair[0])))


def _frozen(value: Any) -> Any:
    """Return JSON's mappings and lists as tuples."""
    if isinstance(value, Mapping):
        return _sorted((key, _frozen(one)) for key, one in value.items())
    if isinstance(value, list | tuple):
        return tuple(_frozen(one) for one in value)
    return value
