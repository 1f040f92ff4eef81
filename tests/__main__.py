"""``python3 tests [PYTEST OPTIONS]``: the whole suite, in the project's own environment.

``python3 tests --campaign`` runs 10,000 random exports and kills hundreds instead.
"""

import sys
from pathlib import Path

# Python put this folder first; its modules would hide others of the same name.
sys.path[0] = str(Path(__file__).resolve().parents[1] / "binder")
import bootstrap  # noqa: E402 - found through the line above

# With these, pytest's work can't be shared out, or the user has said how.
ONE_PROCESS = ("-n", "--numprocesses", "--dist", "-s", "--capture", "--benchmark", "no:xdist")

# The marker and the place of the random exports.
CAMPAIGN = "campaign"
FOLDER = str(Path(__file__).resolve().parent / "campaign")


def options(arguments):
    """Return pytest's arguments: the user's, behind our default of a process a core.

    Tests of one group (``xdist_group``) share a process, and so one server and one browser.
    """
    own = any(a.startswith(ONE_PROCESS) for a in arguments)
    words = ["-m", CAMPAIGN, FOLDER] if "--campaign" in arguments else []
    rest = [a for a in arguments if a != "--campaign"]
    return [*([] if own else ["-n", "auto", "--dist", "loadgroup"]), *words, *rest]


if __name__ == "__main__":
    python = bootstrap.prepare("test")
    sys.exit(bootstrap.run([python, "-m", "pytest", *options(sys.argv[1:])]))
