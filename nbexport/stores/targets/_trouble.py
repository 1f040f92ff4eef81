"""What a server's refusal means, in one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from nbexport.errors import ExportError, TargetError

_NO_CREDENTIALS: Final = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "TokenRetrievalError",
    "DefaultCredentialsError",
    "ClientAuthenticationError",
)
_BAD_CREDENTIALS: Final = (
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
)
_UNREACHABLE: Final = (
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ConnectionClosedError",
    "ReadTimeoutError",
    "ClientConnectorError",
    "ServiceRequestError",
)


def shown(url: str) -> str:
    """Return `url` as it may be printed: without a password."""
    secret = urlsplit(url).password
    return url.replace(f":{secret}@", ":***@", 1) if secret else url


@contextmanager
def told(doing: str, url: str) -> Iterator[None]:
    """Turn what a file system raises into a TargetError about `url`.

    Parameters
    ----------
    doing
        What is tried, as in "writing to".
    url
        The target, as it may be printed.
    """
    try:
        yield
    except ExportError:
        raise
    except Exception as error:
        raise TargetError(_sentence(error, doing, url)) from error


def _sentence(error: Exception, doing: str, url: str) -> str:
    chain = [*_causes(error)]
    names = {kind.__name__ for link in chain for kind in type(link).__mro__}
    code, message = _answer(chain)
    if names.intersection(_NO_CREDENTIALS):
        return (
            f"no credentials were found for '{url}'; set those of its server in the environment, "
            "or pass them as storage_options={'key': …, 'secret': …}"
        )
    if code == "NoSuchBucket":
        bucket = urlsplit(url).netloc
        return f"bucket '{bucket}' of '{url}' does not exist; create it first or mend its name"
    if code in _BAD_CREDENTIALS:
        return (
            f"{doing} '{url}' was refused, the server does not accept these credentials "
            f"({code}); mend or renew them"
        )
    if isinstance(error, PermissionError) or code in ("AccessDenied", "403"):
        return (
            f"{doing} '{url}' is not permitted with these credentials ({message or error}); "
            "use others, or ask the owner for the right"
        )
    if names.intersection(_UNREACHABLE) or isinstance(error, ConnectionError | TimeoutError):
        return (
            f"the server of '{url}' can't be reached ({_brief(error)}); look at the address "
            "(for S3, endpoint_url in storage_options) and the network"
        )
    if isinstance(error, FileNotFoundError):
        return (
            f"{doing} '{url}' failed, its bucket or folder does not exist; create it first or "
            "mend its name"
        )
    if code:
        answer = f"{code}: {message}".strip(" :.")
        return f"{doing} '{url}' failed, the server answered {answer}; try again later"
    return (
        f"{doing} '{url}' failed with {type(error).__name__}: {_brief(error)}; look at the address "
        "and storage_options"
    )


def _brief(error: Exception) -> str:
    """Return the text of `error` without the query of a URL in it."""
    return re.sub(r"\?[^\s\"']*", "", str(error)).strip().rstrip(".")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _answer(chain: list[BaseException]) -> tuple[str, str]:
    """Return code and message of the answer that botocore keeps, or two empty strings."""
    for link in chain:
        response: Any = getattr(link, "response", None)
        if isinstance(response, dict) and "Error" in response:
            answer = response["Error"]
            return str(answer.get("Code", "")), str(answer.get("Message", ""))
    return "", ""
