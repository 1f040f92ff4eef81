"""Where remote targets lie: this process's memory, and an S3 server."""

from __future__ import annotations

import logging

import fsspec
import pytest
from s3 import AWS, SERVERS, Bucket, Proxy, serving


@pytest.fixture(scope="module")
def s3(request, tmp_path_factory):
    """Start a server, moto if a test names no other."""
    start = SERVERS[getattr(request, "param", "moto")]
    with pytest.MonkeyPatch.context() as patch:
        for key, value in AWS.items():
            patch.setenv(key, value)
        patch.setattr(logging.getLogger("werkzeug"), "disabled", True)  # a line a request
        with start(tmp_path_factory.mktemp("buckets")) as endpoint:
            yield endpoint


@pytest.fixture
def bucket(s3):
    return Bucket(s3)


@pytest.fixture
def proxy(s3, bucket):
    """Put a proxy before the server of `bucket`, whose options lead to it."""
    proxy = Proxy(s3)
    with serving(proxy) as endpoint:
        bucket.options = {"endpoint_url": endpoint}
        yield proxy


@pytest.fixture
def memory():
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    fs.pseudo_dirs[:] = [""]
    return fs
