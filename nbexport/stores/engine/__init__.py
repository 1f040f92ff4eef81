"""Blocks to threads or to the processes of a cluster, frames to an encoder: bounded, in order."""

from nbexport.stores.engine._cluster import Cluster, find_cluster
from nbexport.stores.engine._execute import Workers
from nbexport.stores.engine._frames import fetch_sample, fetch_series
from nbexport.stores.engine._job import Done, Job, Part, Put, Source, stages

__all__ = [
    "Cluster",
    "Done",
    "Job",
    "Part",
    "Put",
    "Source",
    "Workers",
    "fetch_sample",
    "fetch_series",
    "find_cluster",
    "stages",
]
