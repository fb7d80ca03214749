"""What an S3 server or the way to it can say, as the store's own errors (storage 3.1).

Errors are told apart by what a person does next: make the bucket, mend the keys, set
the clock, wait, buy disks, look at the network.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import HTTPError

from shahrdad.datasets.errors import Reason, UnavailableError

SKEWED = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
ABSENT = frozenset({"NoSuchKey", "NoSuchVersion"})
DENIED = frozenset(
    {
        "AccessDenied",
        "AccountProblem",
        "AllAccessDisabled",
        "ExpiredToken",
        "InvalidAccessKeyId",
        "InvalidToken",
        "MethodNotAllowed",
        "SignatureDoesNotMatch",
    }
)
BUSY = frozenset(
    {"SlowDown", "ServiceUnavailable", "TooManyRequests", "RequestLimitExceeded"}
)
FULL = frozenset(
    {"InsufficientStorage", "QuotaExceeded", "StorageFull", "XMinioStorageFull"}
)
UNKNOWN_OUTCOME = frozenset({"InternalError", "RequestTimeout", "OperationAborted"})
# Worth another try by the store itself.
TRANSIENT = frozenset(
    {Reason.STORE_UNREACHABLE, Reason.STORE_BUSY, Reason.STORE_WRONG_ANSWER}
)
STATUSES = {
    403: Reason.STORE_DENIED,
    429: Reason.STORE_BUSY,
    503: Reason.STORE_BUSY,
    507: Reason.STORE_FULL,
}
WORDLESS = (Reason.STORE_BUSY, Reason.STORE_FULL)  # their sentences have no detail
SKEW_SECONDS = 15 * 60  # where S3 servers begin to refuse


@contextmanager
def translated(act: str) -> Iterator[None]:
    """Raise the store's errors in place of the client library's.

    An S3 error for an absent key is left as it is: its meaning is the caller's.

    Args:
        act: What is being done, for the sentence.
    """
    try:
        yield
    except S3Error as error:
        if error.code in ABSENT or error.code == "InvalidRange":
            raise
        raise translate(error, act) from error
    except ServerError as error:
        raise by_status(error.status_code, act) from error
    except InvalidResponseError as error:
        # A page of a proxy, or an answer without a body.
        raise by_status(error._code, act) from error
    except (MinioException, HTTPError, OSError) as error:
        raise UnavailableError(
            Reason.STORE_UNREACHABLE, act=act, detail=type(error).__name__
        ) from error


def translate(error: S3Error, act: str) -> UnavailableError:
    """Return the store's error for what an S3 server said."""
    code = error.code or "no code"
    if code in SKEWED or (code in DENIED and skewed(error)):
        return UnavailableError(Reason.STORE_CLOCK_SKEW, act=act)
    if code == "NoSuchBucket":
        bucket = error.bucket_name or "?"
        return UnavailableError(Reason.STORE_BUCKET_UNKNOWN, bucket=bucket)
    if code in DENIED:
        return UnavailableError(Reason.STORE_DENIED, act=act, detail=code)
    if code in BUSY:
        return UnavailableError(Reason.STORE_BUSY, act=act)
    if code in FULL:
        return UnavailableError(Reason.STORE_FULL, act=act)
    if code in UNKNOWN_OUTCOME:
        return UnavailableError(Reason.STORE_UNREACHABLE, act=act, detail=code)
    return by_status(error.response.status, act, code)


def by_status(status: int, act: str, detail: str = "") -> UnavailableError:
    """Return the store's error for an HTTP status."""
    text = f"HTTP {status} {detail}".strip()
    other = Reason.STORE_UNREACHABLE if status >= 500 else Reason.STORE_WRONG_ANSWER
    reason = STATUSES.get(status, other)
    if reason in WORDLESS:
        return UnavailableError(reason, act=act)
    return UnavailableError(reason, act=act, detail=text)


def clock_difference(date: str | None, now: datetime) -> float | None:
    """Return by how many seconds a server's `Date` is ahead, or None without one."""
    if date is None:
        return None
    try:
        return (parsedate_to_datetime(date) - now).total_seconds()
    except (TypeError, ValueError):
        return None


def skewed(error: S3Error) -> bool:
    """Tell whether a refusal comes from the clock: a HEAD has no body to say so."""
    difference = clock_difference(error.response.headers.get("Date"), datetime.now(UTC))
    return difference is not None and abs(difference) > SKEW_SECONDS


def transient(error: Exception) -> bool:
    """Tell whether the same call may succeed a moment later."""
    return isinstance(error, UnavailableError) and error.reason in TRANSIENT
