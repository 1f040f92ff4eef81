"""Any DataArray and any options end in a valid file or in an error of ours, and leave nothing else.

A few hundred cases run with the suite, always the same; ``python3 tests --campaign`` runs 10,000
new ones. A failure prints the smallest case that hypothesis finds.
"""

from __future__ import annotations

import signal

import pytest
from hostile import exports
from hypothesis import HealthCheck, Phase, given, settings
from outcome import outcome
from several import SEVERAL, several

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGALRM"), reason="a case that hangs is ended by a POSIX alarm"
)

# Cases in the suite, and in the campaign.
CASES = {
    "describe": (50, 1000),
    "plan_export": (50, 1000),
    "write_ome_zarr": (70, 2000),
    "write_ome_tiff": (70, 2000),
    "write_image": (70, 1500),
    "write_movie": (30, 1000),
    "write_images": (30, 500),
    "write_plate": (30, 500),
    "write_labels": (30, 500),
}
# A process takes so many at a time.
SHARE = 250

cases = settings(
    deadline=None,  # a case has one of its own, which also ends one that hangs
    database=None,
    print_blob=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
)


def run(verb: str, n_cases: int, **how) -> None:
    seen = set()

    @settings(cases, max_examples=n_cases, **how)
    @given(several(verb) if verb in SEVERAL else exports(verb))
    def each(case):
        seen.add(outcome(verb, case))

    each()
    # A generator whose cases all fail would show nothing.
    assert "written" in seen
    assert len(seen) > 2


@pytest.mark.parametrize("verb", CASES)
def test_a_few_hundred(verb):
    run(verb, CASES[verb][0], derandomize=True)


@pytest.mark.campaign
@pytest.mark.parametrize(
    ("verb", "share"),
    [(verb, i) for verb, (_, n) in CASES.items() for i in range(n // SHARE)],
)
def test_ten_thousand(verb, share):
    run(verb, SHARE)


def test_the_campaign_counts_ten_thousand():
    assert sum(n for _, n in CASES.values()) == 10_000
    assert all(n % SHARE == 0 for _, n in CASES.values())
