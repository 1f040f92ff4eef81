"""The version, for files to name their creator without importing the package."""

__version__ = "0.1.0"
