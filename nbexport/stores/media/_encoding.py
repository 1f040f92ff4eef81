"""Which encoder makes which movie: the choice among the tables, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Final, Literal

from nbexport.errors import PlanError
from nbexport.stores.media._codec import ALWAYS_EXACT, AOM, CODECS, CONTAINERS, Codec, Container

Quality = Literal["low", "medium", "high", "lossless"]
_QUALITIES: Final = ("low", "medium", "high", "lossless")
_SVT_SMALLEST: Final = 64
_SVT_LARGEST: Final = (16384, 8704)


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoding:
    """How the frames of one movie are encoded.

    Attributes
    ----------
    codec, container
        Of the tables.
    options
        What the encoder gets beside the codec's own, or the palette's two filters.
    size
        Width and height of the encoded frames, padding included.
    fps
        Frames a second.
    """

    codec: Codec
    container: Container
    options: tuple[str, ...]
    size: tuple[int, int]
    fps: Fraction

    def arguments(self) -> tuple[str, ...]:
        """Return ffmpeg's output options, without the file."""
        return (
            *("-vf", self.codec.filters, "-c:v", self.codec.encoder),
            *self.codec.options,
            *self.options,
            *self.container.options,
            *("-fps_mode", "passthrough", "-f", self.container.muxer),
        )


def plan_encoding(
    suffix: str,
    size: tuple[int, int],
    fps: float,
    *,
    codec: str | None,
    quality: Quality,
    crf: int | None,
) -> Encoding:
    """Return how frames of `size` (width, height) become a file that ends in `suffix`.

    Raises
    ------
    PlanError
        Where the options don't go together, with what would.

    Examples
    --------
    >>> plan = plan_encoding(".mp4", (217, 253), 10, codec=None, quality="high", crf=None)
    >>> plan.codec.encoder, plan.options, plan.size
    ('libx264', ('-crf', '6'), (218, 254))
    """
    container = CONTAINERS[suffix]
    if not isinstance(quality, str) or quality not in _QUALITIES:
        raise PlanError(f"quality={quality!r} is not known; use one of {', '.join(_QUALITIES)}")
    name = _codec_name(suffix, container, codec, quality)
    chosen = CODECS[name]
    if crf is not None:
        _check_crf(crf, suffix, chosen, quality)
    if quality == "lossless" and name not in ALWAYS_EXACT:
        assert chosen.exact is not None
        chosen = chosen.exact
    elif name == "av1" and not (
        min(size) >= _SVT_SMALLEST and size[0] <= _SVT_LARGEST[0] and size[1] <= _SVT_LARGEST[1]
    ):
        chosen = AOM  # SVT-AV1 crashes on tiny frames, and refuses wide ones
    rate = _rate(fps)
    if rate > container.fastest:
        raise PlanError(
            f"fps={fps:g} is more than {suffix} holds; use {container.fastest} at most, "
            "or take every n-th frame with da.isel(t=slice(None, None, 2))"
        )
    even = chosen.even
    width, height = (n + n % 2 if even else n for n in size)
    if min(width, height) < chosen.smallest:
        raise PlanError(
            f"frames of {width} x {height} are smaller than {chosen.label} players take, "
            f"{chosen.smallest} x {chosen.smallest}; pass a zoom, or use .mp4 or .webm"
        )
    if width > chosen.largest[0] or height > chosen.largest[1]:
        raise PlanError(
            f"frames of {width} x {height} are larger than {chosen.label} holds, "
            f"{chosen.largest[0]} x {chosen.largest[1]}; pass zoom=0.5 or less, or size=1920"
        )
    options = chosen.lossy.get(quality, ()) if crf is None else ("-crf", str(crf))
    return Encoding(
        codec=chosen, container=container, options=options, size=(width, height), fps=rate
    )


def _codec_name(suffix: str, container: Container, codec: str | None, quality: Quality) -> str:
    word = codec if isinstance(codec, str) else ""
    if codec is not None and word not in container.codecs:
        known = " or ".join(map(repr, container.codecs))
        others = [end for end, other in CONTAINERS.items() if word in other.codecs]
        hint = f", or a file name that ends in {' or '.join(others)}" if others else ""
        raise PlanError(f"codec={codec!r} is not possible in {suffix}; use {known}{hint}")
    if quality != "lossless":
        return codec or container.codecs[0]
    name = codec or container.exact
    if name is None or not (name in ALWAYS_EXACT or CODECS[name].exact):
        label = CODECS[name or container.codecs[0]].label
        raise PlanError(
            f"quality='lossless' is not possible with {label} in {suffix}; "
            "use .mkv (FFV1), .webm (VP9), .mp4 with codec='av1', or .apng"
        )
    return name


def _check_crf(crf: int, suffix: str, codec: Codec, quality: Quality) -> None:
    highest = codec.highest_crf
    if highest is None:
        raise PlanError(
            f"crf={crf!r} is not known to {codec.label} in {suffix}; "
            "pass quality='low', 'medium' or 'high'"
        )
    if not isinstance(crf, int) or isinstance(crf, bool) or not 0 <= crf <= highest:
        raise PlanError(
            f"crf={crf!r} is not possible with {codec.label}; use a whole number from 0 (best) "
            f"to {highest} (smallest)"
        )
    if quality != "medium":
        raise PlanError(f"crf={crf} and quality={quality!r} both say how good; pass one of them")


def _rate(fps: float) -> Fraction:
    """Return `fps` as ffmpeg takes it, a ratio of small integers.

    Examples
    --------
    >>> _rate(29.97002997), _rate(1 / 1800)
    (Fraction(30000, 1001), Fraction(1, 1800))
    """
    if fps >= 1:
        return Fraction(fps).limit_denominator(1001)
    return 1 / Fraction(1 / fps).limit_denominator(1001)
