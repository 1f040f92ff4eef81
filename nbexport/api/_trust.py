"""The options that say how far an export trusts its source and its disk, checked."""

from __future__ import annotations

from nbexport.errors import PlanError


def check_trust(verify: object, retries: object, *, resume: object = False) -> None:
    """Raise PlanError where one of them is none of its values."""
    if resume is not True and resume is not False:
        raise PlanError(f"resume={resume!r} is neither True nor False; use one of these")
    if not isinstance(verify, bool) and not (isinstance(verify, str) and verify == "sample"):
        raise PlanError(f"verify={verify!r} is not True, False or 'sample'; use one of these")
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise PlanError(
            f"retries={retries!r} is no number of times to try a failed block again; give 0 or more"
        )
