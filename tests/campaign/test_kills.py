"""Exports killed at 50 random moments a kind; the tally of each is printed (``-rP``)."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager

import pytest
from killing import Nursery
from kills import KINDS, kill_locally, kill_remotely
from s3 import AWS, SERVERS, Bucket

pytestmark = [
    pytest.mark.campaign,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are POSIX"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(moto|botocore|aiobotocore).*"),
]
N_TRIES = 50


@contextmanager
def nursery_of():
    nursery = Nursery()
    try:
        yield nursery
    finally:
        nursery.close()


@pytest.mark.parametrize("kind", KINDS)
def test_fifty_local_kills(kind, tmp_path):
    with nursery_of() as nursery:
        print(f"{kind}: {kill_locally(nursery, kind, N_TRIES, tmp_path, seed=50)}")


@pytest.mark.parametrize("kind", ["new", "replaced"])
def test_fifty_remote_kills(kind, tmp_path, monkeypatch):
    for key, value in AWS.items():
        monkeypatch.setenv(key, value)
    with ExitStack() as stack:
        endpoint = stack.enter_context(SERVERS["moto"](tmp_path))
        nursery = stack.enter_context(nursery_of())
        tally = kill_remotely(nursery, Bucket(endpoint), kind, N_TRIES, tmp_path, seed=51)
        print(f"S3 {kind}: {tally}")
