"""What the state means as a call: the one the button makes and the line that can be copied."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final

import xarray as xr

from nbexport import api
from nbexport.dataarray import read
from nbexport.model import Channel
from nbexport.panels._state import SUFFIXES, Format, PanelState
from nbexport.panels._subject import Subject, by_axis, wishes
from nbexport.stores import Progress, WriteReport
from nbexport.stores.targets import remote_scheme

METHODS: Final[dict[Format, str]] = {
    "ome-zarr": "ome_zarr",
    "ome-tiff": "ome_tiff",
    "movie": "movie",
    "image": "image",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One export, not made yet.

    Attributes
    ----------
    format
        What is written.
    target
        Where.
    indexers
        The part of the DataArray that is written, as ``da.isel`` takes it.
    options
        The keywords that differ from their defaults.
    storage_options
        What the target's filesystem is opened with: secrets, which no text shows.
    """

    format: Format
    target: str
    indexers: Mapping[str, slice | list[int]]
    options: Mapping[str, Any]
    storage_options: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def can_stop(self) -> bool:
        """Whether the export can be stopped half-way; a single picture is made in one go."""
        return self.format != "image"

    @property
    def text(self) -> str:
        """The call as Python, for an array called ``da``."""
        part = f".isel({_keywords(self.indexers)})" if self.indexers else ""
        # The values of storage_options are secrets: the line holds the name of a variable.
        secret = "storage_options=storage_options" if self.storage_options else ""
        arguments = ", ".join(filter(None, (literal(self.target), _keywords(self.options), secret)))
        return f"da{part}.bioexport.{METHODS[self.format]}({arguments})"

    def part(self, da: xr.DataArray) -> xr.DataArray:
        """Return what is written of `da`."""
        return da.isel(self.indexers) if self.indexers else da

    def run(self, da: xr.DataArray, progress: Callable[[Progress], object]) -> WriteReport:
        """Write it."""
        write = getattr(api, f"write_{METHODS[self.format]}")
        options = dict(self.options)
        if self.format != "image":  # a single picture has no progress
            options["progress"] = progress
        if self.storage_options:
            options["storage_options"] = dict(self.storage_options)
        report: WriteReport = write(self.part(da), self.target, **options)
        return report


def call_of(
    state: PanelState, subject: Subject, storage_options: Mapping[str, Any] | None = None
) -> Call:
    """Return the export that `state` means.

    `storage_options` are for a target that is a URL; local paths have none. Only what differs from
    what would be written anyway becomes an option: channels are compared with those of the cropped
    DataArray, because colours are chosen by how many there are.
    """
    indexers = subject.indexers(state)
    options: dict[str, Any] = {}
    for name, value in state.options_of(state.format).items():
        is_mapping = isinstance(value, tuple) and value and isinstance(value[0], tuple)
        options[name] = by_axis(dict(value)) if is_mapping else value
    if state.format in ("movie", "image"):
        options = _shown_planes(state, subject, options)
    if state.overwrite:
        options["overwrite"] = True
    said = wishes(state)
    options |= said
    shown = subject.channels(state)
    if shown:
        part = subject.da.isel(indexers) if indexers else subject.da
        own = read(part, **said).image.channels
        if state.kept is not None:
            shown = tuple(shown[i] for i in state.kept)
        entries = [_difference(one, other) for one, other in zip(shown, own, strict=True)]
        if any(entries):
            options["channels"] = [
                _entry(entry, one) for entry, one in zip(entries, shown, strict=True)
            ]
    target = target_of(state, subject.image.name)
    return Call(
        format=state.format,
        target=target,
        indexers=indexers,
        options=options,
        storage_options=storage_options if remote_scheme(target) else None,
    )


def _shown_planes(state: PanelState, subject: Subject, options: dict[str, Any]) -> dict[str, Any]:
    """Return `options` of a movie or picture with the plane that is looked at.

    Without a word of z its maximum would be written, which is not what is seen.
    """
    crop, index = dict(state.crop), dict(state.index)
    sizes = {name: size for name, size in subject.image.sizes.items() if name in "tz"}
    spans = {name: crop.get(name, (0, size)) for name, size in sizes.items()}
    many = [name for name, (start, stop) in spans.items() if stop - start > 1]
    project = options.pop("project", None)
    runs = options.get("montage")
    if state.format == "movie":
        runs = options.get("along") or next(iter(many), None)
    rest = [name for name in many if name != runs]
    found: dict[str, Any] = {}
    if project is not None and "z" in rest:
        found["project"] = {"z": project}
        rest.remove("z")
    sel = {
        name: min(max(index.get(name, 0), spans[name][0]), spans[name][1] - 1) - spans[name][0]
        for name in rest
    }
    return {**({"sel": sel} if sel else {}), **found, **options}


def target_of(state: PanelState, name: str) -> str:
    """Return where `state` points; by default a file called as the image, in this folder."""
    if state.target is not None:
        return state.target
    safe = "".join(c if c.isalnum() or c in "-_ " else "_" for c in name).strip() or "image"
    return safe + SUFFIXES[state.format][0]


def _difference(shown: Channel, own: Channel) -> dict[str, Any]:
    names = [field.name for field in fields(Channel)]
    return {n: getattr(shown, n) for n in names if getattr(shown, n) != getattr(own, n)}


def _entry(difference: dict[str, Any], channel: Channel) -> dict[str, Any] | str:
    """Return how a channel is said in a call: its label where that is all."""
    if not difference.keys() - {"label"}:
        return channel.label
    if "window" in difference:
        difference["window"] = tuple(plain(v) for v in difference["window"])
    return difference


def plain(value: float) -> float | int:
    """Return a number as people write it: whole ones without a point."""
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)


def literal(value: Any) -> str:
    r"""Return `value` as Python source; texts in double quotes where that needs no escape.

    Examples
    --------
    >>> literal({"y": 2, "label": "it's"}), literal((1, 2)), literal(["DAPI"])
    ('{"y": 2, "label": "it\'s"}', '(1, 2)', '["DAPI"]')
    """
    if isinstance(value, str):
        text = repr(value)
        return f'"{text[1:-1]}"' if text[0] == "'" and '"' not in text else text
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(map(literal, value)) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, slice):
        return f"slice({value.start}, {value.stop})"
    if isinstance(value, float):
        return repr(plain(value))
    return repr(value)


def _keywords(options: Mapping[str, Any]) -> str:
    """Return keyword arguments as Python source."""
    if all(name.isidentifier() for name in options):
        return ", ".join(f"{name}={literal(value)}" for name, value in options.items())
    return literal(options)  # dims may be called anything: a mapping takes all names
