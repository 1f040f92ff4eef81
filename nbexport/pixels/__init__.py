"""Arrays to arrays: pure functions, rounding stated."""

from nbexport.pixels._annotate import Painter, fit_overlays
from nbexport.pixels._cast import cast_block
from nbexport.pixels._composite import (
    Frame,
    Look,
    label_colors,
    look_table,
    quantise,
    render_planes,
)
from nbexport.pixels._contrast import (
    display_windows,
    known_window,
    sample_pixels,
    sample_strides,
)
from nbexport.pixels._downsample import coarsen
from nbexport.pixels._montage import sheet_size, tile_frames
from nbexport.pixels._pick import pick
from nbexport.pixels._window import (
    USUAL,
    Ends,
    by_channel,
    find_channel,
    find_window,
    is_window,
    parse_window,
)
from nbexport.pixels._zoom import resize

__all__ = [
    "USUAL",
    "Ends",
    "Frame",
    "Look",
    "Painter",
    "by_channel",
    "cast_block",
    "coarsen",
    "display_windows",
    "find_channel",
    "find_window",
    "fit_overlays",
    "is_window",
    "known_window",
    "label_colors",
    "look_table",
    "parse_window",
    "pick",
    "quantise",
    "render_planes",
    "resize",
    "sample_pixels",
    "sample_strides",
    "sheet_size",
    "tile_frames",
]
