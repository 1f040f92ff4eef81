"""Arrays to arrays: pure functions, rounding stated."""

from nbexport.pixels._cast import cast_block
from nbexport.pixels._contrast import display_windows, sample_pixels, sample_strides
from nbexport.pixels._downsample import coarsen

__all__ = ["cast_block", "coarsen", "display_windows", "sample_pixels", "sample_strides"]
