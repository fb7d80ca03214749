"""Errors on the wire: every reason has a code, and comes back as what it was."""

import re
from collections import namedtuple
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import (  # type: ignore[import-untyped]
    error_details_pb2,
    status_pb2,
)

from shahrdad.datasets.errors import (
    ConflictError,
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
    messages,
)
from shahrdad.federation import status

FORMAT = re.compile(r"\{(\w+)\}")


class Failed(grpc.RpcError):
    """A failed call, as grpc shows one."""

    def __init__(self, code: grpc.StatusCode, text: str, details: bytes = b"") -> None:
        self._code = code
        self._text = text
        self._details = details

    def code(self) -> grpc.StatusCode:
        """Return the code."""
        return self._code

    def details(self) -> str:
        """Return the text."""
        return self._text

    def trailing_metadata(self) -> Any:
        """Return the details as trailing metadata."""
        if not self._details:
            return ()
        pair = namedtuple("pair", "key value")
        return (pair(status.DETAILS_KEY, self._details),)


def over_the_wire(error: ShahrdadError) -> ShahrdadError:
    """Return what a client makes of an error that a server raised."""
    sent = status.to_status(error)
    code = next(code for code in grpc.StatusCode if code.value[0] == sent.code)
    failed = Failed(code, sent.message, sent.SerializeToString())
    return status.from_rpc_error(failed, "shiraz")


def federation_reasons() -> set[Reason]:
    """Return every reason that the federation's own code speaks of."""
    folder = Path(status.__file__).parent
    sources = [path.read_text("utf-8") for path in folder.rglob("*.py")]
    return {
        Reason(name)
        for source in sources
        for name in re.findall(r"\bReason\.([A-Z_]+)\b", source)
    }


def made(reason: Reason) -> ShahrdadError:
    """Return an error with every value that its sentence speaks of."""
    values = dict.fromkeys(FORMAT.findall(messages("en")[reason]), 7)
    return RequestError(reason, **values)


# They end a command or a task of this node, never a call of another one.
LOCAL = {
    Reason.DISK_FULL,  # of this node; who pushes is told NOT_READY
    Reason.FILE_NOT_FOUND,  # of a bundle
    Reason.GUARD_CONFLICT,
    Reason.PREV_WRONG,  # a warning of the ledger
    Reason.SIGNING_KEY,
    Reason.SITE_ANSWER,  # of the bridge
}


def test_reasons_of_the_protocol_are_in_the_table() -> None:
    """The table of the protocol is complete, with its codes."""
    expected = {
        Reason.ORIGIN_UNKNOWN: "NOT_FOUND",
        Reason.ENTRY_UNKNOWN: "NOT_FOUND",
        Reason.CURSOR_EXPIRED: "OUT_OF_RANGE",
        Reason.SIZE_AHEAD: "FAILED_PRECONDITION",
        Reason.OLD_SIZE_CONFLICT: "ABORTED",
        Reason.BAD_SIGNATURE: "PERMISSION_DENIED",
        Reason.BAD_PROOF: "INVALID_ARGUMENT",
        Reason.MALFORMED: "INVALID_ARGUMENT",
        Reason.ORIGIN_CLOSED: "FAILED_PRECONDITION",
        Reason.QUOTA_EXCEEDED: "RESOURCE_EXHAUSTED",
        Reason.NOT_READY: "UNAVAILABLE",
    }

    assert expected == {reason: status.CODES[reason].name for reason in expected}


def test_every_federation_reason_has_a_code() -> None:
    """A new reason cannot be forgotten: an unmapped one would look like a bug."""
    reasons = federation_reasons()

    assert len(reasons) > 20
    assert set() == reasons - set(status.CODES) - LOCAL


@pytest.mark.parametrize("reason", sorted(status.CODES))
def test_reason_and_values_come_back(reason: Reason) -> None:
    """The client gets reason and values of the server, and the peer's name."""
    error = made(reason)
    back = over_the_wire(error)

    assert reason is back.reason
    assert {**error.values, "peer": "shiraz"} == back.values
    assert back.text("fa")


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (Reason.OLD_SIZE_CONFLICT, ConflictError),
        (Reason.NOT_READY, UnavailableError),
        (Reason.QUOTA_EXCEEDED, UnavailableError),
        (Reason.SIZE_AHEAD, RequestError),
        (Reason.CURSOR_EXPIRED, RequestError),
    ],
)
def test_kind_says_what_to_do(reason: Reason, kind: type[ShahrdadError]) -> None:
    """A caller sees from the class whether to retry, to read again or to ask else."""
    assert kind is type(over_the_wire(made(reason)))


def test_one_error_info_and_both_languages() -> None:
    """A refusal has one reason, and a sentence for either reader."""
    sent = status.to_status(RequestError(Reason.ORIGIN_UNKNOWN, origin="a.example/b"))
    info = error_details_pb2.ErrorInfo()
    infos = [box for box in sent.details if box.TypeName() == status.ERROR_INFO]
    locales = []
    for box in sent.details:
        message = error_details_pb2.LocalizedMessage()
        if box.Unpack(message):
            locales.append(message.locale)

    assert 1 == len(infos)
    assert infos[0].Unpack(info)
    assert ("ORIGIN_UNKNOWN", "federation.shahrdad") == (info.reason, info.domain)
    assert ["fa-IR", "en"] == locales


def test_quota_says_when_to_return() -> None:
    """RetryInfo holds the seconds of the sentence."""
    error = UnavailableError(Reason.QUOTA_EXCEEDED, limit="600 requests", seconds=42)
    retry = error_details_pb2.RetryInfo()
    found = [box for box in status.to_status(error).details if box.Unpack(retry)]

    assert 1 == len(found)
    assert 42 == retry.retry_delay.seconds


@pytest.mark.parametrize(
    "details",
    [
        b"",
        b"\xff\xff no protobuf",
        status_pb2.Status(code=5).SerializeToString(),
    ],
)
def test_answer_without_our_details_is_unreachable(details: bytes) -> None:
    """A proxy's error page, or a hostile status, is no reason of ours."""
    error = status.from_rpc_error(
        Failed(grpc.StatusCode.NOT_FOUND, "who knows", details), "shiraz"
    )

    assert (UnavailableError, Reason.PEER_UNREACHABLE) == (type(error), error.reason)
    assert "shiraz" == error.values["peer"]


@pytest.mark.parametrize(
    ("reason", "domain", "metadata"),
    [
        ("ORIGIN_UNKNOWN", "another.example", {"origin": "a"}),
        ("NEVER_HEARD_OF", status.DOMAIN, {}),
        ("ORIGIN_UNKNOWN", status.DOMAIN, {}),
    ],
)
def test_foreign_reason_is_unreachable(
    reason: str, domain: str, metadata: dict[str, str]
) -> None:
    """A reason of another domain, an unknown one, or one without values is not used."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain=domain, metadata=metadata)
    sent = status_pb2.Status(code=5, message="x")
    sent.details.add().Pack(info)
    failed = Failed(grpc.StatusCode.NOT_FOUND, "x", sent.SerializeToString())

    assert Reason.PEER_UNREACHABLE is status.from_rpc_error(failed, "a").reason


def test_deadline_and_size_have_their_own_reasons() -> None:
    """What gRPC itself refuses is told apart from silence."""
    late = status.from_rpc_error(Failed(grpc.StatusCode.DEADLINE_EXCEEDED, ""), "a")
    large = status.from_rpc_error(
        Failed(
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            "CLIENT: Received message larger than max (5000000 vs. 4194304)",
        ),
        "a",
    )

    assert (UnavailableError, Reason.TIMEOUT) == (type(late), late.reason)
    assert (PeerError, Reason.TOO_LARGE, 5_000_000) == (
        type(large),
        large.reason,
        large.values["size_bytes"],
    )
