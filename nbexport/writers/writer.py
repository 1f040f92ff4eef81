"""What the writers have in common: a class, and a static method that saves an array."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from nbexport.stores import TargetPath


class Writer(ABC):
    """One kind of file that arrays are saved as; a class of your own may derive from it."""

    @staticmethod
    @abstractmethod
    def save(data: Any, uri: TargetPath, dim_order: str = "TCZYX", **kwargs: Any) -> Any:
        """Write an array to a file.

        Parameters
        ----------
        data
            A numpy or dask array.
        uri
            Path or URL.
        dim_order
            One letter a dimension: T, C, Z, Y, X, and S for the samples of RGB.
        **kwargs
            What this kind of file knows beside it.
        """
