"""What is said of single planes: their times, exposures and places, as OME-XML text.

ome-types takes 12 s for 100,000 ``Plane`` (it validates each, links references through all, and
fills a dataclass serializer); this text is the same, attribute by attribute, and takes 1 s.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import isclose, isfinite
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from nbexport.metadata._ome_limits import SYMBOL_UNITS
from nbexport.model import OME_SYMBOLS, Axis, ImageSpec, SourceOme, convert, is_length, is_time

_FIELDS: Final = {
    "delta_t": "DeltaT",
    "exposure_time": "ExposureTime",
    "position_x": "PositionX",
    "position_y": "PositionY",
    "position_z": "PositionZ",
}
Amount = tuple[float, str]
"""(value, OME unit symbol)"""
Said = dict[str, Amount | tuple[str, ...]]
"""What a source says of a plane: amounts by field, and ids of annotations under ``refs``."""
Place = tuple[int, int, int]
"""(t, c, z)"""


class PlaneTexts:
    """The Plane elements of one image.

    Parameters
    ----------
    image
        What is written.
    source
        What it came with; its planes fill in what `image` doesn't say otherwise.
    known
        Ids of the annotations that planes may refer to, to their names in the document.

    Attributes
    ----------
    losses
        What the source says of planes and isn't written, a sentence each.
    """

    def __init__(
        self, image: ImageSpec, source: SourceOme | None, known: Mapping[str, str] | None = None
    ) -> None:
        self._sizes = {name: image.sizes.get(name, 1) for name in "tczyx"}
        self._image = image
        self._known = known
        self._losses: dict[str, None] = {}
        self._exposed: dict[int, float] = {}
        self._said: dict[Place, Said] = self._source_planes(source) if source is not None else {}
        if source is not None:
            self._check_times(source)
            self._check_depths(source)
            for axis in "xy":
                self._check_places(axis, source)
        self._own_exposure = self._exposures()

    @property
    def losses(self) -> tuple[str, ...]:
        return tuple(self._losses)

    @property
    def timed(self) -> bool:
        """Whether the source gives times of planes that hold."""
        return any("delta_t" in said for said in self._said.values())

    def elements(self) -> Iterator[str]:
        """Yield one Plane element a plane, in the order of the IFDs, where there is one."""
        fixed = self._fixed_positions()
        depth = self._depth()
        times = self._times()
        nothing: Said = {}
        for t, c, z in product(*(range(self._sizes[a]) for a in "tcz")):
            theirs = self._said.get((t, c, z))
            said: Said = {} if theirs is None else dict(theirs)
            if times is not None and "delta_t" not in said:
                said["delta_t"] = times[t]
            if c in self._own_exposure:
                said["exposure_time"] = self._own_exposure[c]
            for field, amount in fixed.items():
                said[field] = _moved(said.get(field), amount)
            if depth is not None and "position_z" not in said:
                said["position_z"] = depth[z]
            if said != nothing or theirs is not None:
                yield _element((t, c, z), said, self._known)

    def _source_planes(self, source: SourceOme) -> dict[Place, Said]:
        """Return what the source says of the planes that are written, by where they are now.

        Along an axis where it isn't known which remain, what all planes agree in holds still.
        """
        planes = source.image.pixels.planes
        new = {a: _new_index(source.along(a)) for a in "tcz"}
        unknown = [a for a in "tcz" if new[a] is None]
        spread = [range(self._sizes[a]) if new[a] is None else (None,) for a in "tcz"]
        found: dict[Place, Said] = {}
        differ: dict[str, None] = {}
        theirs = source.image.pixels
        sizes = {a: getattr(theirs, f"size_{a}") for a in "tcz"}
        n_beyond = 0
        for plane in planes:
            old = {"t": plane.the_t, "c": plane.the_c, "z": plane.the_z}
            place = [new_of.get(old[a]) if (new_of := new[a]) is not None else 0 for a in "tcz"]
            said = _said(plane)
            if place[1] is not None and "exposure_time" in said:
                # What readers take for the exposure of the channel: that of its first plane.
                seconds = _in_unit(said["exposure_time"], "s")  # type: ignore[arg-type]
                self._exposed.setdefault(place[1], seconds or -1.0)
            if None in place:
                n_beyond += any(old[a] >= size for a, size in sizes.items())
                continue
            if plane.hash_sha1 is not None:
                self._lose("HashSHA1 of single planes was left out: it is of the source's pixels")
            t, c, z = (int(i) for i in place if i is not None)
            before = found.setdefault((t, c, z), said)
            if unknown and before is not said:
                for field in before.keys() | said.keys():
                    if before.get(field) != said.get(field):
                        differ[field] = None
        for said in found.values() if differ else ():
            for field in differ:
                said.pop(field, None)
        if n_beyond:
            self._lose(
                f"{n_beyond} of the source's {len(planes)} Plane elements were left out: they are "
                "beyond its own SizeT, SizeC or SizeZ"
            )
        if differ:
            names = ", ".join(_FIELDS.get(field, "annotations") for field in sorted(differ))
            axes = " and ".join(unknown)
            self._lose(
                f"{names} of single planes were left out: coords don't tell which of the source's "
                f"t={sizes['t']}, c={sizes['c']}, z={sizes['z']} remain along {axes}"
            )
        if not unknown:
            return found
        places = ((place, product(*spread)) for place in found)
        return {
            tuple(a if b is None else b for a, b in zip(place, other, strict=True)): found[place]  # type: ignore[misc]
            for place, others in places
            for other in others
        }

    def _lose(self, sentence: str) -> None:
        self._losses[sentence] = None

    def _drop(self, field: str, reason: str) -> None:
        """Forget what the source says of `field`."""
        had = [said.pop(field, None) for said in self._said.values()]
        if any(had):
            self._lose(f"{_FIELDS[field]} of single planes was left out: {reason}")

    def _check_times(self, source: SourceOme) -> None:
        """Forget the source's times where the time axis says otherwise."""
        axis = self._image.axis("t")
        if axis is None or not (axis.calibrated or axis.positions or axis.translation):
            return
        symbol = OME_SYMBOLS.get(axis.unit or "", "")
        ours = [axis.position(i) for i in range(axis.size)]
        theirs, kept = source.image.pixels, source.along("t")
        if theirs.time_increment is not None and kept is not None:
            increment = (float(theirs.time_increment), theirs.time_increment_unit.value)
            step = _in_unit(increment, symbol)
            if step is not None and _close(ours, [step * k for k in kept]):
                return
        near = [float("inf")] * axis.size
        for (t, _, _), said in self._said.items():
            amount: Any = said.get("delta_t")
            value = None if amount is None else _in_unit(amount, symbol)
            if value is not None:
                near[t] = min(near[t], abs(value - ours[t]))
        if not all(distance <= 1e-3 * axis.scale for distance in near):
            self._drop("delta_t", "the time coordinate says otherwise")

    def _check_depths(self, source: SourceOme) -> None:
        """Forget the source's places along z where the z axis says otherwise."""
        axis, kept = self._image.axis("z"), source.along("z")
        if axis is None:
            return
        size = source.image.pixels.physical_size_z
        if not axis.calibrated or not size or kept is None:
            fits = axis.positions is None and axis.position(0) == 0
        else:
            unit = source.image.pixels.physical_size_z_unit.value
            step = _in_unit((float(size), unit), OME_SYMBOLS.get(axis.unit or "", unit))
            ours = [axis.position(i) - axis.position(0) for i in range(axis.size)]
            fits = step is not None and _close(ours, [step * (k - kept[0]) for k in kept])
        if not fits:
            self._drop("position_z", "the z coordinate says otherwise")

    def _check_places(self, name: str, source: SourceOme) -> None:
        """Forget the source's places along x or y where that axis doesn't count from them."""
        axis, kept = self._image.axis(name), source.along(name)
        if axis is None or axis.position(0) == 0:
            return
        field = f"position_{name}"
        size = getattr(source.image.pixels, f"physical_size_{name}")
        unit = getattr(source.image.pixels, f"physical_size_{name}_unit").value
        step = _in_unit((float(size or 0), unit), OME_SYMBOLS.get(axis.unit or "", unit))
        if kept is None or not step or not isclose(step * kept[0], axis.position(0), rel_tol=1e-6):
            self._drop(field, f"the {name} coordinate says otherwise")
            return
        ours = length(axis, axis.position(0))
        units = {amount[1] for said in self._said.values() if (amount := said.get(field))}
        for other in units:
            if _in_unit(ours, str(other)) is None:
                reason = f"it is in {other!r} and can't be moved by a crop of {ours[0]:g} {ours[1]}"
                self._drop(field, reason)

    def _fixed_positions(self) -> dict[str, Amount]:
        found = {}
        for name in "xy":
            axis = self._image.axis(name)
            if axis is not None and axis.position(0) != 0:
                found[f"position_{name}"] = length(axis, axis.position(0))
        return found

    def _depth(self) -> list[Amount] | None:
        z = self._image.axis("z")
        if z is None or (z.positions is None and z.position(0) == 0):
            return None
        return [length(z, z.position(k)) for k in range(z.size)]

    def _times(self) -> list[Amount] | None:
        t = self._image.axis("t")
        if t is None or t.unit is None or not is_time(t.unit):
            return None
        if t.positions is None and t.position(0) == 0:
            return None
        return [(t.position(i), OME_SYMBOLS[t.unit]) for i in range(t.size)]

    def _exposures(self) -> dict[int, Amount]:
        """Return by channel the exposure that isn't the source's own."""
        return {
            c: (channel.exposure_s, "s")
            for c, channel in enumerate(self._image.channels)
            if channel.exposure_s is not None
            and not isclose(self._exposed.get(c, -1.0), channel.exposure_s, rel_tol=1e-9)
        }


def given_planes(planes: Sequence[Any]) -> Iterator[str]:
    """Yield `planes`, which are ``ome_types.model.Plane``, as they are."""
    for plane in planes:
        said = _said(plane)
        for field in _FIELDS.keys() & said.keys():
            if f"{field}_unit" not in plane.model_fields_set:
                said[field] = (getattr(plane, field), "")
        if plane.hash_sha1 is not None:
            said["hash"] = (plane.hash_sha1.hex().upper(),)
        yield _element((plane.the_t, plane.the_c, plane.the_z), said, None)


def _element(place: Place, said: Said, known: Mapping[str, str] | None) -> str:
    t, c, z = place
    parts = [f'<Plane TheZ="{z}" TheT="{t}" TheC="{c}"']
    for field, attribute in _FIELDS.items():
        amount: Any = said.get(field)
        if amount is not None:
            number, unit = amount
            parts.append(f'{attribute}="{_number(number)}"')
            if unit:
                parts.append(f'{attribute}Unit="{unit}"')
    refs: Any = said.get("refs", ())
    if known is not None:
        refs = [known[ref] for ref in refs if ref in known]
    inner = [f"<HashSHA1>{text}</HashSHA1>" for text in said.get("hash", ())]
    inner += [f"<AnnotationRef ID={quoteattr(ref)}/>" for ref in refs]
    if not inner:
        return " ".join(parts) + "/>"
    lines = "".join(f"\n        {element}" for element in inner)
    return " ".join(parts) + f">{lines}\n      </Plane>"


def length(axis: Axis, value: float) -> Amount:
    """Return a length along `axis` as OME-XML says it: see :func:`ome_xml` for its unit."""
    if axis.unit is not None and is_length(axis.unit):
        return convert(value, axis.unit, "micrometer"), OME_SYMBOLS["micrometer"]
    return value, "reference frame"


def _said(plane: Any) -> Said:
    said: Said = {
        field: (float(value), str(getattr(plane, f"{field}_unit").value))
        for field in _FIELDS
        if (value := getattr(plane, field)) is not None
    }
    if plane.annotation_refs:
        said["refs"] = tuple(ref.id for ref in plane.annotation_refs)
    return said


def _moved(theirs: Any, ours: Amount) -> Amount:
    """Return where a plane lies that the source has at `theirs`, cropped at `ours` from it."""
    shift = None if theirs is None else _in_unit(ours, theirs[1])
    return ours if shift is None else (theirs[0] + shift, theirs[1])


def _new_index(kept: Sequence[int] | None) -> dict[int, int] | None:
    return None if kept is None else {old: new for new, old in enumerate(kept)}


def _in_unit(amount: Amount, symbol: str) -> float | None:
    """Return `amount` in the unit of `symbol`, None where that is of another kind."""
    value, own = amount
    if own == symbol:
        return value
    source, target = SYMBOL_UNITS.get(own), SYMBOL_UNITS.get(symbol)
    if source is None or target is None or is_length(source) != is_length(target):
        return None
    return convert(value, source, target)


def _close(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    step = abs(theirs[1] - theirs[0]) if len(theirs) > 1 else abs(theirs[0]) or 1.0
    return len(ours) == len(theirs) and all(
        abs(a - b) <= 1e-3 * step for a, b in zip(ours, theirs, strict=True)
    )


def _number(value: float) -> str:
    """Return `value` as XML Schema's float."""
    if isfinite(value):
        return repr(float(value)).upper().replace("E+", "E")
    return "NaN" if value != value else "INF" if value > 0 else "-INF"
