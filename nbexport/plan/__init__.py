"""What will be written: an ImageSpec and options become a frozen plan. Pure; no pixel is read."""

from nbexport.plan._block import Block, Box, Pass
from nbexport.plan._chunk import given_chunks, plane_chunks, shard_shape, tile_shape
from nbexport.plan._coarsen import METHODS, Factors, Method, coarsen_axis, step_factors
from nbexport.plan._cost import SourceChunks, n_recomputed
from nbexport.plan._frame import FrameBlock, FramePlan, FrameRead, Projection
from nbexport.plan._given import coarser_axis, plan_levels
from nbexport.plan._level import Level
from nbexport.plan._overlay import (
    CORNERS,
    USUAL_CORNERS,
    Overlay,
    OverlayKind,
    pixel_length,
    scale_bar,
    seconds,
    time_texts,
)
from nbexport.plan._pyramid import PyramidPlan, plan_pyramid
from nbexport.plan._region import plan_region
from nbexport.plan._series import plan_series
from nbexport.plan._stated import plan_stated, stated_levels, whole_runs

__all__ = [
    "CORNERS",
    "METHODS",
    "USUAL_CORNERS",
    "Block",
    "Box",
    "Factors",
    "FrameBlock",
    "FramePlan",
    "FrameRead",
    "Level",
    "Method",
    "Overlay",
    "OverlayKind",
    "Pass",
    "Projection",
    "PyramidPlan",
    "SourceChunks",
    "coarsen_axis",
    "coarser_axis",
    "given_chunks",
    "n_recomputed",
    "pixel_length",
    "plan_levels",
    "plan_pyramid",
    "plan_region",
    "plan_series",
    "plan_stated",
    "plane_chunks",
    "scale_bar",
    "seconds",
    "shard_shape",
    "stated_levels",
    "step_factors",
    "tile_shape",
    "time_texts",
    "whole_runs",
]
