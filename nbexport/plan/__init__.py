"""What will be written: an ImageSpec and options become a frozen plan. Pure; no pixel is read."""

from nbexport.plan._block import Block, Box, Pass
from nbexport.plan._chunk import given_chunks, plane_chunks, shard_shape, tile_shape
from nbexport.plan._coarsen import METHODS, Method, coarsen_axis, step_factors
from nbexport.plan._cost import SourceChunks, n_recomputed
from nbexport.plan._given import coarser_axis, plan_levels
from nbexport.plan._level import Level
from nbexport.plan._pyramid import PyramidPlan, plan_pyramid

__all__ = [
    "METHODS",
    "Block",
    "Box",
    "Level",
    "Method",
    "Pass",
    "PyramidPlan",
    "SourceChunks",
    "coarsen_axis",
    "coarser_axis",
    "given_chunks",
    "n_recomputed",
    "plan_levels",
    "plan_pyramid",
    "plane_chunks",
    "shard_shape",
    "step_factors",
    "tile_shape",
]
