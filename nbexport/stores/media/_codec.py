"""Encoders and movie files, and what options they get: pure tables, nothing runs here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_LOSSY: Final = ("low", "medium", "high")

# The matrix is converted, not only named: a player reads untagged or falsely tagged colours up to
# 39 of 255 off. The flags keep swscale from its fast, inexact ways.
_EXACT: Final = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"
_BT709: Final = (
    f"scale=in_range=pc:out_range=tv:out_color_matrix=bt709:{_EXACT},format=yuv420p,"
    "setparams=color_primaries=bt709:color_trc=bt709:colorspace=bt709:range=tv"
)
# WMV and Theora have no place for tags, JPEG is full range by its standard; all three are read
# as BT.601.
_BT601: Final = f"scale=in_range=pc:out_range=tv:out_color_matrix=bt601:{_EXACT},format=yuv420p"
_JPEG: Final = f"scale=in_range=pc:out_range=pc:out_color_matrix=bt601:{_EXACT},format=yuvj444p"
_RGB: Final = "format=gbrp"


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """One way to encode frames.

    Attributes
    ----------
    label
        What people call it.
    encoder
        ffmpeg's name of the encoder.
    options
        What the encoder gets at every quality.
    lossy
        The options of ``low``, ``medium`` and ``high``.
    filters
        How frames become what the encoder takes.
    even
        Width and height must be even: colours at half resolution.
    smallest, largest
        The smallest width and height, and the largest.
    highest_crf
        The largest ``crf=``; None: the encoder has none.
    exact
        The way that gives back every byte, itself where that is the only one; None: there is none.
    """

    label: str
    encoder: str
    options: tuple[str, ...] = ()
    lossy: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    filters: str = _BT709
    even: bool = True
    smallest: int = 1
    largest: tuple[int, int] = (65535, 65535)
    highest_crf: int | None = None
    exact: Codec | None = None


def _levels(option: str, low: int, medium: int, high: int) -> dict[str, tuple[str, ...]]:
    return {
        word: (option, str(value)) for word, value in zip(_LOSSY, (low, medium, high), strict=True)
    }


_FFV1: Final = Codec(
    label="FFV1", encoder="ffv1", options=("-level", "3", "-g", "1"), filters=_RGB, even=False
)
_APNG: Final = Codec(
    label="APNG", encoder="apng", options=("-plays", "0"), filters="format=rgb24", even=False
)
AOM: Final = Codec(
    label="AV1",
    encoder="libaom-av1",
    options=("-cpu-used", "6", "-row-mt", "1", "-b:v", "0"),
    lossy=_levels("-crf", 45, 30, 14),
    highest_crf=63,
)
_WEBP_LARGEST: Final = (16383, 16383)

# veryfast: as small as medium at the same crf on noisy blobs of 1024 x 1024, at three times its
# speed. crf 6: keeps green, magenta and blue cells of 256 x 256 within 40 dB (40.1; 39.5 at 10,
# 40.8 at 0: the rest is lost to colours at half resolution). Lanczos or area instead of bicubic
# change that by less than 0.1 dB.
CODECS: Final[dict[str, Codec]] = {
    "h264": Codec(
        label="H.264",
        encoder="libx264",
        options=("-preset", "veryfast"),
        lossy=_levels("-crf", 28, 20, 6),
        largest=(16384, 16384),
        highest_crf=51,
    ),
    "av1": Codec(
        label="AV1",
        encoder="libsvtav1",
        options=("-preset", "8"),
        lossy=_levels("-crf", 45, 30, 14),
        highest_crf=63,
        exact=Codec(
            label="AV1",
            encoder="libaom-av1",
            options=("-cpu-used", "6", "-row-mt", "1", "-crf", "0", "-aom-params", "lossless=1"),
            filters=_RGB,
            even=False,
        ),
    ),
    "vp9": Codec(
        label="VP9",
        encoder="libvpx-vp9",
        options=("-deadline", "good", "-cpu-used", "5", "-row-mt", "1", "-b:v", "0"),
        lossy=_levels("-crf", 40, 30, 14),
        highest_crf=63,
        exact=Codec(
            label="VP9",
            encoder="libvpx-vp9",
            options=("-cpu-used", "5", "-row-mt", "1", "-lossless", "1"),
            filters=_RGB,
            even=False,
        ),
    ),
    "ffv1": _FFV1,
    "mjpeg": Codec(
        label="Motion JPEG",
        encoder="mjpeg",
        lossy=_levels("-q:v", 8, 4, 2),
        filters=_JPEG,
        even=False,
        largest=(32768, 32768),
    ),
    "mpeg2": Codec(
        label="MPEG-2",
        encoder="mpeg2video",
        lossy=_levels("-q:v", 8, 4, 2),
        largest=(4094, 4094),
    ),
    "wmv": Codec(
        label="WMV 8",
        encoder="wmv2",
        lossy=_levels("-q:v", 8, 4, 2),
        filters=_BT601,
        largest=(16384, 16384),
    ),
    "theora": Codec(
        label="Theora",
        encoder="libtheora",
        lossy=_levels("-q:v", 5, 8, 10),
        filters=_BT601,
        smallest=18,  # ffmpeg's decoder, which most players have, takes no fewer
        largest=(16384, 16384),
    ),
    # The options are those of palettegen and paletteuse. Error diffusion gives up to 256 colours
    # exactly; an ordered dither does not, but is smaller.
    "gif": Codec(
        label="GIF",
        encoder="gif",
        lossy={
            "low": ("max_colors=64", "dither=bayer:bayer_scale=4"),
            "medium": ("max_colors=256", "dither=sierra2_4a"),
            "high": ("max_colors=256", "dither=sierra2_4a"),
        },
        even=False,
    ),
    "apng": _APNG,
    "webp": Codec(
        label="WebP",
        encoder="libwebp_anim",
        options=("-loop", "0"),
        lossy=_levels("-quality", 60, 80, 95),
        filters="format=yuv420p",
        even=False,
        largest=_WEBP_LARGEST,
        exact=Codec(
            label="WebP",
            encoder="libwebp_anim",
            options=("-loop", "0", "-lossless", "1"),
            filters="format=bgra",
            even=False,
            largest=_WEBP_LARGEST,
        ),
    ),
}
ALWAYS_EXACT: Final = ("ffv1", "apng")


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One kind of movie file.

    Attributes
    ----------
    muxer
        ffmpeg's name of it.
    codecs
        What it holds, its own choice first.
    exact
        Its own choice where quality is ``lossless``; None: it has none.
    mime
        What browsers call it; None: they don't play it.
    options
        What the muxer gets.
    fastest
        The most frames a second.
    """

    muxer: str
    codecs: tuple[str, ...]
    exact: str | None = None
    mime: str | None = None
    options: tuple[str, ...] = ()
    fastest: int = 1000


_FASTSTART: Final = ("-movflags", "+faststart")
_MPEG: Final = Container(muxer="mpeg", codecs=("mpeg2",))
_APNG_FILE: Final = Container(muxer="apng", codecs=("apng",), exact="apng", mime="image/apng")
CONTAINERS: Final[dict[str, Container]] = {
    ".mp4": Container(
        muxer="mp4", codecs=("h264", "av1"), exact="av1", mime="video/mp4", options=_FASTSTART
    ),
    ".mov": Container(muxer="mov", codecs=("h264",), options=_FASTSTART),
    ".mkv": Container(muxer="matroska", codecs=("h264", "av1", "vp9", "ffv1"), exact="ffv1"),
    ".webm": Container(muxer="webm", codecs=("vp9", "av1"), exact="vp9", mime="video/webm"),
    ".avi": Container(muxer="avi", codecs=("mjpeg", "ffv1"), exact="ffv1"),
    # Browsers play delays below 2 hundredths of a second as 10.
    ".gif": Container(muxer="gif", codecs=("gif",), mime="image/gif", fastest=50),
    ".apng": _APNG_FILE,
    ".png": _APNG_FILE,
    ".webp": Container(muxer="webp", codecs=("webp",), exact="webp", mime="image/webp"),
    ".mpg": _MPEG,
    ".mpeg": _MPEG,
    ".wmv": Container(muxer="asf", codecs=("wmv",)),
    ".ogg": Container(muxer="ogg", codecs=("theora",)),
}
