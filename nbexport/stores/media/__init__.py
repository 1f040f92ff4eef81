"""Movies and pictures, as they were rendered."""

from nbexport.stores.media._encoding import Quality

__all__ = ["Quality"]
