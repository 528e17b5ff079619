"""BM-03, decision 5 in object stores: what drivers raise is told apart, and no signature is quoted.

The errors are the drivers' own, made as they make them: botocore and s3fs, gcsfs and aiohttp, azure-core.
"""

import errno

import aiohttp
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ServiceRequestError
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError, ReadTimeoutError
from gcsfs.retry import HttpError
from google.auth.exceptions import DefaultCredentialsError, TransportError
from s3fs.errors import translate_boto_error
from s3fs.utils import FileExpired

from sonnys_pipeline.lake.storage.object_errors import Trouble, said_by, trouble_of


def of_s3(code: str, status: int) -> Exception:
    """What s3fs makes of an answer."""
    answer = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return translate_boto_error(ClientError(answer, "PutObject"))


def of_azure(status: int) -> HttpResponseError:
    """What the Azure library makes of an answer."""
    error = HttpResponseError("it said no")
    error.status_code = status
    return error


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (of_s3("SlowDown", 503), Trouble.AWAY),
        (of_s3("InternalError", 500), Trouble.AWAY),
        (of_s3("AccessDenied", 403), Trouble.REFUSED),
        (of_s3("InvalidAccessKeyId", 403), Trouble.REFUSED),
        (of_s3("ExpiredToken", 400), Trouble.REFUSED),
        (of_s3("NoSuchBucket", 404), Trouble.MISSING),
        (of_s3("PreconditionFailed", 412), Trouble.REPLACED),
        (FileExpired("bucket/key", "tag"), Trouble.REPLACED),
        (of_s3("InvalidArgument", 400), Trouble.OTHER),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1/b"), Trouble.AWAY),
        (ReadTimeoutError(endpoint_url="http://127.0.0.1:1/b"), Trouble.AWAY),
        (NoCredentialsError(), Trouble.REFUSED),
        (HttpError({"code": 503, "message": "later"}), Trouble.AWAY),
        (HttpError({"code": 429, "message": "later"}), Trouble.AWAY),
        (HttpError({"code": 403, "message": "no"}), Trouble.REFUSED),
        (DefaultCredentialsError("none"), Trouble.REFUSED),
        (TransportError("gone"), Trouble.AWAY),
        (aiohttp.ServerDisconnectedError(), Trouble.AWAY),
        (aiohttp.ClientPayloadError("cut off"), Trouble.AWAY),
        (of_azure(503), Trouble.AWAY),
        (of_azure(403), Trouble.REFUSED),
        (of_azure(404), Trouble.MISSING),
        (ClientAuthenticationError("no"), Trouble.REFUSED),
        (ServiceRequestError("no way to it"), Trouble.AWAY),
        (TimeoutError("no answer"), Trouble.AWAY),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Trouble.AWAY),
        (FileNotFoundError("no such container"), Trouble.MISSING),
        (PermissionError("no"), Trouble.REFUSED),
        (ValueError("a fault of ours"), Trouble.OTHER),
    ],
    ids=lambda value: f"{type(value).__name__}: {value}"[:60] if isinstance(value, Exception) else None,
)
def test_each_failure_is_of_a_kind(error: Exception, trouble: Trouble) -> None:
    """Only what later may go well is waited for."""
    assert trouble_of(error) is trouble


def test_signatures_and_credentials_are_not_quoted() -> None:
    """Addresses keep host and path; what a driver says is one line, and not a long one."""
    said = said_by(
        RuntimeError("cannot get https://user:hunter2@host.test/b/k?sig=hunter2&se=1\n and http://h/x?X-Amz=hunter2")
    )
    assert said == "cannot get https://***@host.test/b/k and http://h/x"
    assert len(said_by(RuntimeError("x" * 5000))) == 300
    assert said_by(RuntimeError()) == "RuntimeError"
