"""S3 servers on loopback that may misbehave, and buckets looked at by boto3."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from http.server import ThreadingHTTPServer
from itertools import count
from pathlib import Path

import boto3
import fsspec
import localbucket
import requests
from moto.server import ThreadedMotoServer
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

AWS = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}
# One try again instead of four: the waits between them are botocore's and grow.
HASTY = {"config_kwargs": {"retries": {"max_attempts": 1}}}
NUMBERS = count()


class Bucket:
    """A new bucket, looked at by boto3."""

    def __init__(self, endpoint):
        self.endpoint = endpoint
        self.name = f"bucket{next(NUMBERS)}"
        self.url = f"s3://{self.name}/sub/cells.ome.zarr"
        self.options = {"endpoint_url": endpoint}
        self._client = boto3.client("s3", endpoint_url=endpoint)
        self._client.create_bucket(Bucket=self.name)

    def put(self, key, content=b"mine"):
        self._client.put_object(Bucket=self.name, Key=key, Body=content)

    def objects(self) -> dict[str, int]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.name)
        return {o["Key"]: o["Size"] for page in pages for o in page.get("Contents", ())}

    def content(self, key) -> bytes:
        return self._client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def uploads(self) -> list[dict]:
        """Uploads in parts that were begun and not finished."""
        return self._client.list_multipart_uploads(Bucket=self.name).get("Uploads", [])

    def download(self, folder: Path) -> Path:
        fs = fsspec.filesystem("s3", skip_instance_cache=True, **self.options)
        fs.get(self.url, str(folder / "got.ome.zarr"), recursive=True)
        return folder / "got.ome.zarr"


class Proxy:
    """Passes requests on to a server, notes them, and answers those that `refuse` says itself.

    Its methods are called on the server's threads, one a request.
    """

    def __init__(self, endpoint):
        self._endpoint = endpoint
        self._session = requests.Session()
        self._numbers = count(1)
        self.puts: list[str] = []
        self.refused = 0
        self.refuse = lambda n, request: None

    def __call__(self, environ, start_response):
        request = Request(environ)
        refusal = self.refuse(next(self._numbers), request)
        if refusal is not None:
            self.refused += 1
            status, code = refusal
            text = f"<Error><Code>{code}</Code><Message>Not today.</Message></Error>"
            response = Response(text, status, content_type="application/xml")
        else:
            query = request.query_string.decode()
            target = f"{self._endpoint}{environ['RAW_URI'].split('?')[0]}"
            answer = requests.request(
                request.method,
                target + (f"?{query}" if query else ""),
                headers=dict(request.headers),
                data=request.get_data(),
                timeout=30,
            )
            if request.method == "PUT":
                self.puts.append(request.path)
            drop = {"content-encoding", "transfer-encoding", "connection", "content-length"}
            headers = [(k, v) for k, v in answer.headers.items() if k.lower() not in drop]
            response = Response(answer.content, answer.status_code, headers)
            if request.method == "HEAD":
                response.headers["Content-Length"] = answer.headers.get("Content-Length", "0")
        return response(environ, start_response)


class Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *args, **kwargs):
        pass


@contextmanager
def serving(application):
    server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=Quiet)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def moto_server(folder: Path):
    """AWS as its own clients' tests imitate it, in this process's memory."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def folder_server(folder: Path):
    """Buckets as folders, by other hands; it removes objects one by one only, as some do."""
    handler = type("Handler", (localbucket.S3Handler,), {"data_root": folder})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


SERVERS = {"moto": moto_server, "folders": folder_server}
