"""Words and bars onto frames, in matplotlib's own font, with an outline that any ground bears."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nbexport.pixels._composite import Frame
from nbexport.plan import USUAL_CORNERS, Overlay

# Of the shorter edge of the frame: two words a second apart are read from the back of a lecture
# hall. Below 10 pixels the font's strokes run together.
_RELATIVE_SIZE: Final = 0.04
_SMALLEST: Final = 10
_HALO: Final = 0.65


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """Pixels laid over a part of a frame: ``(ground * keep + paint + 127) // 255``."""

    keep: npt.NDArray[np.uint16]
    paint: npt.NDArray[np.uint16]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.keep.shape[1], self.keep.shape[0]

    def lay(self, frame: Frame, left: int, top: int) -> None:
        """Blend this onto `frame`, whole."""
        width, height = self.size
        ground = frame[top : top + height, left : left + width]
        ground[...] = (ground * self.keep + self.paint + 127) // 255


def fit_overlays(
    overlays: Sequence[Overlay], size: tuple[int, int]
) -> tuple[tuple[Overlay, ...], tuple[str, ...]]:
    """Return the overlays that fit frames of `size`, and a sentence for what does not.

    Of a scale bar whose text is too large, the bar stays.

    Examples
    --------
    >>> bar = Overlay(
    ...     kind="scale_bar", corner="bottom right", lines=(("5 µm", "FFFFFF"),), length=5
    ... )
    >>> kept, notes = fit_overlays([bar], (24, 24))
    >>> kept[0].lines, notes
    ((), ("the text '5 µm' of the scale bar does not fit frames of 24 x 24",))
    """
    kept: list[Overlay] = []
    notes: list[str] = []
    for overlay in _in_order(overlays):
        if _fits([*kept, overlay], size):
            kept.append(overlay)
            continue
        where = f"does not fit frames of {size[0]} x {size[1]}"
        bare = replace(overlay, lines=())
        if overlay.kind == "scale_bar" and _fits([*kept, bare], size):
            kept.append(bare)
            notes.append(f"the text {overlay.lines[0][0]!r} of the scale bar {where}")
        else:
            notes.append(f"the {overlay.kind.replace('_', ' ')} {where}, and is left out")
    return tuple(kept), tuple(notes)


class Painter:
    """Draws overlays onto frames; what does not change is drawn once.

    Parameters
    ----------
    overlays
        That fit, see :func:`fit_overlays`.
    size
        Width and height of the frames.
    """

    def __init__(self, overlays: Sequence[Overlay], size: tuple[int, int]) -> None:
        self._size = size
        self._lock = threading.Lock()  # one font is one state of FreeType's
        self._still: list[tuple[Patch, int, int]] = []
        self._moving: list[tuple[Overlay, tuple[int, int, int, int]]] = []
        for overlay, box in _placed(overlays, size):
            if overlay.texts:
                self._moving.append((overlay, box))
            else:
                self._still.append((_drawn(overlay, _font_size(size), None), box[0], box[1]))

    def draw(self, frame: Frame, i: int = 0) -> Frame:
        """Return `frame`, the `i`-th one, with all overlays drawn into it.

        Examples
        --------
        >>> text = Overlay(kind="text", corner="top left", lines=(("cells", "FFFFFF"),))
        >>> frame = Painter([text], (64, 48)).draw(np.zeros((48, 64, 3), "uint8"))
        >>> int(frame[:20].max()), int(frame[20:].max())
        (255, 0)
        """
        for patch, left, top in self._still:
            patch.lay(frame, left, top)
        for overlay, (left, top, right, _) in self._moving:
            with self._lock:
                patch = _drawn(overlay, _font_size(self._size), overlay.texts[i])
            start = left if "left" in overlay.corner else right - patch.size[0]
            patch.lay(frame, start, top)
        return frame


def _in_order(overlays: Sequence[Overlay]) -> list[Overlay]:
    order = list(USUAL_CORNERS)
    return sorted(overlays, key=lambda overlay: order.index(overlay.kind))


def _fits(overlays: Sequence[Overlay], size: tuple[int, int]) -> bool:
    boxes = [box for _, box in _placed(overlays, size)]
    inside = all(
        left >= 0 and top >= 0 and right <= size[0] and bottom <= size[1]
        for left, top, right, bottom in boxes
    )
    last = boxes[-1]
    return inside and not any(
        last[0] < box[2] and box[0] < last[2] and last[1] < box[3] and box[1] < last[3]
        for box in boxes[:-1]
    )


def _placed(
    overlays: Sequence[Overlay], size: tuple[int, int]
) -> list[tuple[Overlay, tuple[int, int, int, int]]]:
    """Return (left, top, right, bottom) of each overlay; those of one corner are stacked."""
    width, height = size
    font_size = _font_size(size)
    margin = max(1, round(min(size) * 0.02))
    used = dict.fromkeys(("top left", "top right", "bottom left", "bottom right"), margin)
    placed = []
    for overlay in _in_order(overlays):
        longest = max(overlay.texts, key=len) if overlay.texts else None
        across, down = _drawn(overlay, font_size, longest).size
        left = margin if "left" in overlay.corner else width - margin - across
        edge = used[overlay.corner]
        top = edge if "top" in overlay.corner else height - edge - down
        used[overlay.corner] += down
        placed.append((overlay, (left, top, left + across, top + down)))
    return placed


def _font_size(size: tuple[int, int]) -> int:
    return max(_SMALLEST, round(min(size) * _RELATIVE_SIZE))


@cache
def _font(size: int) -> Any:
    from matplotlib import get_data_path
    from PIL import ImageFont

    path = Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def _drawn(overlay: Overlay, font_size: int, text: str | None) -> Patch:
    """Return `overlay` drawn; `text` is that of the frame, where each has its own."""
    from PIL import Image, ImageDraw

    font = _font(font_size)
    lines = ((text, overlay.color),) if text is not None else overlay.lines
    halo = max(1, round(font_size / 10))
    ascent, descent = font.getmetrics()
    line_height = round(font_size * 1.3)
    widths = [round(font.getlength(line)) for line, _ in lines]
    bar = max(1, round(overlay.length)) if overlay.kind == "scale_bar" else 0
    thickness = max(2, round(font_size / 5)) if bar else 0
    gap = round(font_size / 6) if bar and lines else 0
    width = max([*widths, bar]) + 2 * halo
    height = len(lines) * line_height + gap + thickness + 2 * halo
    layers: list[tuple[str, npt.NDArray[Any], npt.NDArray[Any]]] = []

    def layer(color: str, paint: Any) -> None:
        masks = []
        for grown in (0, halo):
            mask = Image.new("L", (width, height))
            paint(ImageDraw.Draw(mask), grown)
            masks.append(np.asarray(mask) / 255)
        layers.append((color, masks[0], masks[1]))

    for i, ((line, color), across) in enumerate(zip(lines, widths, strict=True)):
        if bar:
            left = (width - across) // 2
        else:
            left = halo if "left" in overlay.corner else width - halo - across
        # The middle of the letters' height stands in the middle of the line.
        place = (left, halo + i * line_height + (line_height - ascent - descent) / 2)

        def write(draw: Any, grown: int, place: Any = place, line: str = line) -> None:
            draw.text(place, line, fill=255, font=font, stroke_width=grown)

        layer(color, write)
    if bar:
        left, top = (width - bar) // 2, height - halo - thickness

        def rule(draw: Any, grown: int) -> None:
            edges = (left - grown, top - grown, left + bar - 1 + grown, top + thickness - 1 + grown)
            draw.rectangle(edges, fill=255)

        layer(overlay.color, rule)
    return _merged(layers, width, height)


def _merged(
    layers: Sequence[tuple[str, npt.NDArray[Any], npt.NDArray[Any]]], width: int, height: int
) -> Patch:
    """Return layers, each of a colour, a mask and the mask of its outline, as one patch."""
    alpha, paint = np.zeros((height, width)), np.zeros((height, width, 3))
    for outlines in (True, False):
        for color, mask, outline in layers:
            rgb = np.frombuffer(bytes.fromhex(color), np.uint8).astype(float)
            cover = outline * _HALO if outlines else mask
            if outlines:
                rgb = np.full(3, 0.0 if _lightness(rgb) > 0.3 else 255.0)
            alpha = cover + alpha * (1 - cover)
            paint = rgb * cover[..., None] + paint * (1 - cover[..., None])
    whole = np.floor(alpha * 255 + 0.5)
    painted = np.minimum(np.floor(paint * 255 + 0.5), whole[..., None] * 255)
    return Patch((255 - whole[..., None]).astype(np.uint16), painted.astype(np.uint16))


def _lightness(rgb: npt.NDArray[Any]) -> float:
    """Return how light a colour looks, 0 to 1: the eye weighs green most and blue least."""
    return float(rgb @ (0.2126, 0.7152, 0.0722)) / 255
