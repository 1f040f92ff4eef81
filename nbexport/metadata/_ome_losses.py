"""What OME-XML can't say of an image, known before anything is written."""

from __future__ import annotations

from nbexport.metadata._ome_limits import is_legal_text
from nbexport.model import ImageSpec


def ome_losses(image: ImageSpec) -> tuple[str, ...]:
    """Return what OME-XML can't say of `image`, a sentence each."""
    losses = list(_source_losses(image))
    for axis in image.axes:
        if axis.positions is not None and axis.name in "yx":
            losses.append(
                f"positions along {axis.name} are uneven; OME-XML says one step, {axis.scale:.6g}"
            )
        if axis.name == "t" and axis.unit is None and (axis.calibrated or axis.translation):
            losses.append(
                f"the time step {axis.scale:.6g} has no unit and OME-XML needs one; "
                "pass units={'t': 's'}"
            )
    texts = [image.name, *(c.label for c in image.channels), *(c.fluor for c in image.channels)]
    texts += [part for pair in image.attributes for part in pair]
    if any(text and not is_legal_text(text) for text in texts):
        losses.append(
            "control characters in names or attributes were replaced: XML can't hold them"
        )
    return tuple(losses)


def _source_losses(image: ImageSpec) -> tuple[str, ...]:
    """Return what can't be kept of the OME metadata that the pixels came with."""
    source = image.source_ome
    if source is None or source.given:
        return ()
    # ome-types is loaded already, where an object of its own is there.
    from nbexport.metadata._ome_base import ome_base
    from nbexport.metadata._ome_planes import PlaneTexts

    base = ome_base(image)
    assert base is not None
    return (*base.losses, *PlaneTexts(image, base.source).losses)
