"""Errors on the wire: a reason ↔ a gRPC status with its details.

Every refusal is one `google.rpc.Status` with one `ErrorInfo` of our domain, whose
metadata are the values of the sentence; `LocalizedMessage` in Persian and English, for
people; and `RetryInfo` where waiting helps. A program reads the reason alone.

What a peer says of an error is data like any other: a reason that is not known, or one
of another domain, reads as "not reached", and values are cut short.
"""

import re
from collections.abc import Mapping

import grpc
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from shahrdad.datasets.errors import (
    ConflictError,
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
    messages,
)
from shahrdad.federation.limits import MESSAGE_BYTES_MAX

DOMAIN = "federation.shahrdad"
ERROR_INFO = "google.rpc.ErrorInfo"
DETAILS_KEY = "grpc-status-details-bin"
VALUE_CHARACTERS_MAX = 200
Code = grpc.StatusCode

CODES: Mapping[Reason, grpc.StatusCode] = {
    Reason.ORIGIN_UNKNOWN: Code.NOT_FOUND,
    Reason.ENTRY_UNKNOWN: Code.NOT_FOUND,
    Reason.CURSOR_EXPIRED: Code.OUT_OF_RANGE,
    Reason.SIZE_AHEAD: Code.FAILED_PRECONDITION,
    Reason.OLD_SIZE_CONFLICT: Code.ABORTED,
    Reason.BAD_SIGNATURE: Code.PERMISSION_DENIED,
    Reason.BAD_PROOF: Code.INVALID_ARGUMENT,
    Reason.MALFORMED: Code.INVALID_ARGUMENT,
    Reason.TOO_LARGE: Code.INVALID_ARGUMENT,
    Reason.DIGEST_MISMATCH: Code.INVALID_ARGUMENT,
    Reason.SIZE_MISMATCH: Code.INVALID_ARGUMENT,
    Reason.OBJECT_UNKNOWN: Code.NOT_FOUND,
    Reason.SHORT_STREAM: Code.INVALID_ARGUMENT,
    Reason.ADDRESS_REFUSED: Code.INVALID_ARGUMENT,
    Reason.ORIGIN_CLOSED: Code.FAILED_PRECONDITION,
    Reason.LOG_FORKED: Code.FAILED_PRECONDITION,
    Reason.EQUIVOCATION: Code.FAILED_PRECONDITION,
    Reason.MASS_WITHDRAWAL: Code.FAILED_PRECONDITION,
    Reason.NOT_APPROVED: Code.FAILED_PRECONDITION,
    Reason.SERIAL_WRONG: Code.FAILED_PRECONDITION,
    Reason.ALREADY_CLAIMED: Code.FAILED_PRECONDITION,
    Reason.QUOTA_EXCEEDED: Code.RESOURCE_EXHAUSTED,
    Reason.NOT_READY: Code.UNAVAILABLE,
    Reason.PEER_UNREACHABLE: Code.UNAVAILABLE,
    Reason.TIMEOUT: Code.DEADLINE_EXCEEDED,
}

# What a refusal of a peer means to the node that asked.
KINDS: Mapping[Reason, type[ShahrdadError]] = {
    Reason.OLD_SIZE_CONFLICT: ConflictError,
    Reason.ORIGIN_CLOSED: ConflictError,
    Reason.LOG_FORKED: ConflictError,
    Reason.EQUIVOCATION: ConflictError,
    Reason.MASS_WITHDRAWAL: ConflictError,
    Reason.QUOTA_EXCEEDED: UnavailableError,
    Reason.NOT_READY: UnavailableError,
    Reason.PEER_UNREACHABLE: UnavailableError,
    Reason.TIMEOUT: UnavailableError,
}


def to_status(error: ShahrdadError) -> status_pb2.Status:
    """Return an error as the status that a client gets."""
    info = error_details_pb2.ErrorInfo(
        reason=error.reason,
        domain=DOMAIN,
        metadata={name: str(value) for name, value in error.values.items()},
    )
    details: list[Message] = [info]
    for locale, text in (("fa-IR", error.text("fa")), ("en", error.text("en"))):
        details.append(error_details_pb2.LocalizedMessage(locale=locale, message=text))
    if error.reason is Reason.QUOTA_EXCEEDED:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromSeconds(int(error.values["seconds"]))
        details.append(retry)
    packed = [Any() for _ in details]
    for box, detail in zip(packed, details, strict=True):
        box.Pack(detail)
    code = CODES.get(error.reason, Code.INTERNAL)
    return status_pb2.Status(
        code=code.value[0], message=error.text("en"), details=packed
    )


def from_rpc_error(error: grpc.RpcError, peer: str) -> ShahrdadError:
    """Return what a failed call means; `peer` is among the values.

    A status with details of our domain becomes the reason that the peer gave. Without
    them only the code tells: a deadline, a message above the limit, or no answer.
    """
    code, text = error.code(), str(error.details())
    found = _error_info(error)
    if found is not None:
        reason, values = found
        kind = KINDS.get(reason, RequestError)
        return kind(reason, **{**values, "peer": peer})
    if code is Code.DEADLINE_EXCEEDED:
        return UnavailableError(Reason.TIMEOUT, peer=peer)
    if code is Code.RESOURCE_EXHAUSTED and "larger than max" in text:
        size = re.search(r"\(([0-9]{1,18}) vs", text)
        return PeerError(
            Reason.TOO_LARGE,
            size_bytes=int(size[1]) if size else MESSAGE_BYTES_MAX + 1,
            size_bytes_max=MESSAGE_BYTES_MAX,
            peer=peer,
        )
    detail = f"{code.name}: {text}"[:VALUE_CHARACTERS_MAX]
    return UnavailableError(Reason.PEER_UNREACHABLE, peer=peer, detail=detail)


def _error_info(error: grpc.RpcError) -> tuple[Reason, dict[str, str | int]] | None:
    """Return reason and values of the details, if they are ours and complete."""
    trailing = error.trailing_metadata() or ()
    raw = next((item.value for item in trailing if item.key == DETAILS_KEY), None)
    if not isinstance(raw, bytes):
        return None
    info = error_details_pb2.ErrorInfo()
    try:
        status = status_pb2.Status.FromString(raw)
        boxes = [box for box in status.details if box.TypeName() == ERROR_INFO]
        if not boxes or not boxes[0].Unpack(info):
            return None
    except DecodeError:
        return None
    if info.domain != DOMAIN or info.reason not in set(Reason):
        return None
    reason = Reason(info.reason)
    values = {name: _value(text) for name, text in info.metadata.items()}
    try:
        messages("en")[reason].format_map(values)
    except KeyError:
        return None  # the sentence could not be said
    return reason, values


def _value(text: str) -> str | int:
    if re.fullmatch("[0-9]{1,18}", text):
        return int(text)
    return text[:VALUE_CHARACTERS_MAX]
