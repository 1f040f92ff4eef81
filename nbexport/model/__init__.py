"""What an image is: axes, channels, units. Pure values, no input or output."""

from nbexport.model._axis import AXIS_NAMES, AXIS_TYPES, Axis, AxisType
from nbexport.model._channel import Channel
from nbexport.model._image import ImageSpec, Kind
from nbexport.model._source_ome import SourceOme
from nbexport.model._unit import OME_SYMBOLS, convert, is_length, is_time

__all__ = [
    "AXIS_NAMES",
    "AXIS_TYPES",
    "OME_SYMBOLS",
    "Axis",
    "AxisType",
    "Channel",
    "ImageSpec",
    "Kind",
    "SourceOme",
    "convert",
    "is_length",
    "is_time",
]
