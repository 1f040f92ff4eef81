"""Every error that nbexport raises on purpose, each also the builtin it stands for.

::

    ExportError(Exception)
    ├── AxisError(ValueError)              dims, coords or units that no OME format can hold
    ├── ChannelError(ValueError)           names, colours or windows that don't fit the channels
    ├── DescribeError(ValueError)          several of these at once, in `.problems`
    ├── PlanError(ValueError)              options that no plan can satisfy
    ├── InvalidDimensionOrderingError(ValueError)  ┐ what `nbexport.writers` was asked for:
    ├── UnexpectedShapeError(ValueError)           ├ letters, array and arguments
    ├── ConflictingArgumentsError(ValueError)      ┘ that don't go together
    ├── DtypeError(TypeError)              a pixel type the format can't store without loss
    ├── SourceError(RuntimeError)          the DataArray's own pixels could not be computed
    ├── TargetError(OSError)               a place that can't be written
    │   ├── TargetExistsError(FileExistsError)
    │   └── VerifyError                    what was written reads back as something else
    ├── MissingPackageError(ImportError)   which package, which pip line
    └── ExportCancelled                    stopped on request
    LossWarning(UserWarning)               written, but something was left out

A message is one sentence: what is wrong, with its value; what would be right; what to do.
"""

from __future__ import annotations

from collections.abc import Sequence


class ExportError(Exception):
    """Base of every error nbexport raises on purpose."""


class AxisError(ExportError, ValueError):
    """A dim, a coordinate or a unit that neither OME-XML nor OME-NGFF can hold."""


class ChannelError(ExportError, ValueError):
    """Channel names, colours or windows that don't fit the data."""


class DescribeError(ExportError, ValueError):
    """Several problems of one DataArray, found together so that they can be mended together.

    Attributes
    ----------
    subject
        What has the problems, as it is named to the user.
    problems
        The single errors, in the order in which they were found.
    """

    def __init__(self, subject: str, problems: Sequence[ExportError]) -> None:
        self.subject = subject
        self.problems = tuple(problems)
        lines = "\n".join(f"  {i}. {problem}" for i, problem in enumerate(self.problems, 1))
        super().__init__(f"{subject} has {len(self.problems)} problems:\n{lines}")

    def __reduce__(self) -> tuple[type[DescribeError], tuple[str, tuple[ExportError, ...]]]:
        return type(self), (self.subject, self.problems)


class PlanError(ExportError, ValueError):
    """Options that no plan can satisfy."""


class InvalidDimensionOrderingError(ExportError, ValueError):
    """Dimension letters that `nbexport.writers` doesn't know, or not in this order."""


class UnexpectedShapeError(ExportError, ValueError):
    """An array with more or fewer dimensions than a class of `nbexport.writers` takes."""


class ConflictingArgumentsError(ExportError, ValueError):
    """Lists of images and lists about them that are of different lengths."""


class DtypeError(ExportError, TypeError):
    """A pixel type, or a pixel value, that the format can't store without loss."""


class SourceError(ExportError, RuntimeError):
    """The pixels of the DataArray could not be computed; its own error is the cause."""


class TargetError(ExportError, OSError):
    """A target that can't be written: wrong suffix, missing folder, no permission, no space."""


class TargetExistsError(TargetError, FileExistsError):
    """The target is there already and `overwrite` is False."""


class VerifyError(TargetError):
    """What was written does not read back as it was; it was not published."""


class MissingPackageError(ExportError, ImportError):
    """An optional package is needed and not installed."""


class ExportCancelled(ExportError):
    """The export was stopped on request; nothing was left at the target."""


class LossWarning(UserWarning):
    """The export is complete, but the format could not keep what the text names."""
