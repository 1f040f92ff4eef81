"""A server that gives way in the middle of an upload: one clear error, and the old target whole.

Servers that refuse from the start are in `test_remote.py` and `test_files.py`.
"""

from __future__ import annotations

import socket
import threading
import time

import numpy as np
import pytest
import xarray as xr
from s3 import HASTY, Proxy, serving

import nbexport
from nbexport import TargetError

pytestmark = [
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(moto|botocore|aiobotocore).*"),
    # A connection that the server drops is noted by the threads of moto and werkzeug.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning"),
]

FORMATS = {
    ".ome.zarr": nbexport.write_ome_zarr,
    ".ome.tif": nbexport.write_ome_tiff,
    ".apng": nbexport.write_movie,
    ".png": nbexport.write_image,
}
EVERY = pytest.mark.parametrize("suffix", FORMATS)
SECRET = "hunter2-wJalrXUtnFEMI"


def image() -> xr.DataArray:
    pixels = np.random.default_rng(0).integers(0, 2**16, (6, 64, 64), dtype="uint16")
    return xr.DataArray(pixels, dims=("t", "y", "x"))


def write(suffix, bucket, options=None, **more):
    quiet = {} if suffix == ".png" else {"progress": False}
    if suffix == ".ome.zarr":
        quiet |= {"client": False, "chunks": {"t": 1}, "workers": 1}
    url = f"s3://{bucket.name}/sub/cells{suffix}"
    return FORMATS[suffix](
        image(), url, storage_options=bucket.options | HASTY | (options or {}), **quiet, **more
    )


def from_put(n_fine, answer):
    """Refuse every request from the PUT after `n_fine` ones on."""
    seen = []
    lock = threading.Lock()

    def refuse(n, request):
        with lock:
            if request.method == "PUT":
                seen.append(request.path)
            return answer if len(seen) > n_fine else None

    return refuse


def several(suffix) -> int:
    """Return how many PUTs go well: a file is one."""
    return 3 if suffix == ".ome.zarr" else 0


@EVERY
@pytest.mark.parametrize("overwrite", [False, True])
def test_credentials_that_expire_in_the_middle(suffix, overwrite, proxy, bucket):
    if overwrite:
        write(suffix, bucket)
    before = bucket.objects()
    proxy.refuse = from_put(several(suffix), (400, "ExpiredToken"))
    with pytest.raises(
        TargetError, match=r"does not accept these credentials \(ExpiredToken\); mend or renew"
    ) as caught:
        write(suffix, bucket, {"key": "k", "secret": SECRET}, overwrite=overwrite)
    assert proxy.refused > 0
    assert SECRET not in str(caught.value)
    proxy.refuse = lambda n, request: None
    after = bucket.objects()
    if suffix == ".ome.zarr":
        # Without rights nothing can be removed either: that is said, and no root is there.
        assert "could not be removed" in str(caught.value)
        assert "sub/cells.ome.zarr/zarr.json" not in after
    else:
        assert after == before


@EVERY
@pytest.mark.parametrize("s3", ["moto"], indirect=True)
def test_the_network_goes_in_the_middle(suffix, s3, bucket):
    """The connection is gone, and so is the server behind its address."""
    proxy = Proxy(s3)
    gone = threading.Event()

    inner = from_put(several(suffix), "gone")

    def refuse(n, request):
        if gone.is_set() or inner(n, request) is not None:
            gone.set()
            request.environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            raise ConnectionError  # which werkzeug takes for a client that left
        return

    proxy.refuse = refuse
    with serving(proxy) as endpoint:
        options = {"endpoint_url": endpoint}
        begin = time.monotonic()
        with pytest.raises(TargetError, match=r"server of 's3://.*' can't be reached"):
            write(suffix, bucket, options)
        assert time.monotonic() - begin < 60
    assert gone.is_set()
    names = [key for key in bucket.objects() if key.endswith(("zarr.json", suffix))]
    assert f"sub/cells{suffix}/zarr.json" not in names
    assert f"sub/cells{suffix}" not in names


@pytest.mark.parametrize("suffix", [".ome.tif", ".apng", ".png"])
def test_an_upload_that_is_never_answered(suffix, proxy, bucket):
    over = threading.Event()

    def refuse(n, request):
        if request.method == "PUT":
            over.wait(2)
            return 503, "SlowDown"
        return None

    proxy.refuse = refuse
    impatient = {"config_kwargs": {"retries": {"max_attempts": 1}, "read_timeout": 0.5}}
    try:
        # Which of both is seen last depends on how busy the machine is.
        told = r"server of 's3://.*' can't be reached|the server answered SlowDown"
        with pytest.raises(TargetError, match=told):
            write(suffix, bucket, impatient)
    finally:
        over.set()
    proxy.refuse = lambda n, request: None
    assert bucket.objects() == {}
