"""A peer, read over gRPC: synchronous, one channel, a deadline on every call.

UNAVAILABLE is tried again by gRPC itself, as the service config says; a stream never
is: `ingest` resumes it at a verified index. Nothing here is verified.
"""

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc
from google.protobuf import message as protobuf

from shahrdad.datasets.errors import PeerError, Reason, UnavailableError
from shahrdad.federation import status, wire
from shahrdad.federation.dialler import Dialler
from shahrdad.federation.limits import (
    CHUNK_BYTES_MAX,
    CONNECT_SECONDS_MAX,
    MESSAGE_BYTES_MAX,
    STREAM_BYTES_MIN,
    STREAM_SECONDS_MAX,
    STREAM_WINDOW_SECONDS,
    UNARY_SECONDS_MAX,
    WAIT_GRACE_SECONDS,
)
from shahrdad.federation.reader import (
    Body,
    BodyMode,
    ConsistencyProof,
    HeadsPage,
    LogChunk,
    LogStart,
    NodeFacts,
)
from shahrdad.federation.verify.digest import Digest
from shahrdad.proto.v1 import federation_pb2 as pb
from shahrdad.proto.v1 import federation_pb2_grpc as rpc

Value = TypeVar("Value")
Message = TypeVar("Message")
Sized = TypeVar("Sized", bound=protobuf.Message)


UNARY_METHODS = ("GetNode", "ListHeads", "GetConsistencyProof", "GetReceipt")
RETRIES = {
    "methodConfig": [
        {
            "name": [
                {"service": "shahrdad.proto.v1.FederationService", "method": method}
                for method in UNARY_METHODS
            ],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 4,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


@dataclass(frozen=True, slots=True)
class GrpcPeer:
    """Where a node's federation service is, and how it proves its name.

    `tls_roots` are PEM certificates that must have signed the server's; None = those
    of the system. `insecure` leaves TLS out, only in networks of `allow_private`.
    """

    name: str
    address: str  # host:port
    tls_roots: bytes | None = None
    insecure: bool = False


def channel_options(name: str) -> list[tuple[str, str | int]]:
    """Return the options of every channel; `name` is the host, for the authority."""
    return [
        ("grpc.max_receive_message_length", MESSAGE_BYTES_MAX),
        ("grpc.max_send_message_length", MESSAGE_BYTES_MAX),
        ("grpc.enable_http_proxy", 0),
        ("grpc.keepalive_time_ms", 60_000),  # above the server's least interval
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 0),
        ("grpc.default_authority", name),
        ("grpc.service_config", json.dumps(RETRIES)),
        ("grpc.enable_retries", 1),
        ("grpc.use_local_subchannel_pool", 1),  # closing it closes the connection
        # gRPC's name for how long one attempt to connect may take: a dead address costs
        # this, not the deadline of the call, which is 60 s for a poll.
        ("grpc.min_reconnect_backoff_ms", int(CONNECT_SECONDS_MAX * 1000)),
    ]


def open_channel(peer: GrpcPeer, dialler: Dialler) -> grpc.Channel:
    """Return a channel to the numbers that the dialler allows.

    Raises:
        RequestError: ADDRESS_REFUSED; also for `insecure` outside `allow_private`.
        UnavailableError: PEER_UNREACHABLE: the name does not resolve.
    """
    dialled = dialler.dial(peer.address)
    host = dialled.address.host
    options = channel_options(host)
    if peer.insecure and dialled.private:
        return grpc.insecure_channel(dialled.grpc_target, options)
    credentials = grpc.ssl_channel_credentials(root_certificates=peer.tls_roots)
    options.append(("grpc.ssl_target_name_override", host))
    return grpc.secure_channel(dialled.grpc_target, credentials, options)


class GrpcReader:
    """Reads one peer's federation service; a `LogReader`.

    Args:
        peer: Where it is.
        dialler: Decides whether that may be dialled.

    Raises:
        RequestError: ADDRESS_REFUSED.
        UnavailableError: PEER_UNREACHABLE.
    """

    def __init__(self, peer: GrpcPeer, dialler: Dialler) -> None:
        self.peer = peer
        self.channel = open_channel(peer, dialler)
        self._stub = rpc.FederationServiceStub(self.channel)

    @property
    def name(self) -> str:
        """The peer's name, for the ledger."""
        return self.peer.name

    def node(self) -> NodeFacts:
        """Return who the peer says it is."""
        try:
            answer = self._stub.GetNode(pb.GetNodeRequest(), timeout=UNARY_SECONDS_MAX)
        except grpc.RpcError as error:
            raise status.from_rpc_error(error, self.name) from error
        return wire.node_from_wire(answer)

    def list_heads(
        self, cursor: str = "", wait_seconds: int = 0, origins: Sequence[str] = ()
    ) -> HeadsPage:
        """Return the heads that changed since a cursor."""
        request = pb.ListHeadsRequest(
            cursor=cursor, wait_seconds=wait_seconds, origins=origins
        )
        seconds = max(UNARY_SECONDS_MAX, wait_seconds + WAIT_GRACE_SECONDS)
        try:
            answer = self._stub.ListHeads(request, timeout=seconds)
        except grpc.RpcError as error:
            raise status.from_rpc_error(error, self.name) from error
        return self._checked(wire.page_from_wire, answer)

    def read_log(
        self, origin: str, from_size: int, body_mode: BodyMode = BodyMode.LIVE
    ) -> Iterator[LogStart | LogChunk]:
        """Yield one start, then the chunks."""
        request = pb.ReadLogRequest(
            origin=origin,
            from_size=from_size,
            body_mode=pb.BodyMode.ValueType(body_mode),
            max_chunk_bytes=CHUNK_BYTES_MAX,
        )
        call = self._stub.ReadLog(request, timeout=STREAM_SECONDS_MAX)
        for message in self._stream(call, call.cancel):
            yield self._checked(wire.part_from_wire, message)

    def read_bodies(self, digests: Sequence[Digest]) -> Iterator[Body]:
        """Yield one body for each digest, in that order."""
        request = pb.ReadBodiesRequest(sha256=[digest.raw for digest in digests])
        call = self._stub.ReadBodies(request, timeout=STREAM_SECONDS_MAX)
        for message in self._stream(call, call.cancel):
            for body in message.bodies:
                yield self._checked(wire.body_from_wire, body)

    def consistency_proof(
        self, origin: str, from_size: int, to_size: int
    ) -> ConsistencyProof:
        """Return the peer's proof between two sizes of its tree."""
        request = pb.GetConsistencyProofRequest(
            origin=origin, from_size=from_size, to_size=to_size
        )
        try:
            answer = self._stub.GetConsistencyProof(request, timeout=UNARY_SECONDS_MAX)
        except grpc.RpcError as error:
            raise status.from_rpc_error(error, self.name) from error
        return self._checked(wire.consistency_from_wire, answer)

    def receipt(self, origin: str, index: int) -> bytes:
        """Return the peer's receipt of an entry; verify it before use."""
        request = pb.GetReceiptRequest(origin=origin, index=index)
        try:
            answer = self._stub.GetReceipt(request, timeout=UNARY_SECONDS_MAX)
        except grpc.RpcError as error:
            raise status.from_rpc_error(error, self.name) from error
        return answer.tlog_proof

    def close(self) -> None:
        """Close the channel."""
        self.channel.close()

    def _stream(
        self, messages: Iterable[Sized], cancel: Callable[[], object]
    ) -> Iterator[Sized]:
        """Yield the messages of a call; cancel it when they trickle or are left."""
        pace = Pace(cancel, STREAM_WINDOW_SECONDS)
        try:
            for message in messages:
                pace.came(message.ByteSize())
                yield message
                pace.wait()
        except grpc.RpcError as error:
            if pace.slow:
                raise UnavailableError(Reason.TIMEOUT, peer=self.name) from error
            raise status.from_rpc_error(error, self.name) from error
        finally:
            pace.stop()

    def _checked(self, read: Callable[[Message], Value], message: Message) -> Value:
        """Read a message; what is wrong with it is this peer's fault, by name."""
        try:
            return read(message)
        except PeerError as error:
            raise named(error, self.name) from error


class Pace:
    """Gives up on a stream that trickles: it would hold a thread for ten minutes.

    Once a minute it looks at what came since; the time that our own work takes is not
    the peer's.

    Args:
        cancel: Ends the call.
        seconds: Between two looks.
    """

    def __init__(self, cancel: Callable[[], object], seconds: float) -> None:
        self.slow = False
        self._cancel = cancel
        self._seconds = seconds
        self._bytes = 0
        self._waiting = True
        self._timer = self._start()

    def came(self, size: int) -> None:
        """Count a message; until `wait`, the time is ours."""
        self._waiting = False
        self._bytes += size

    def wait(self) -> None:
        """Say that the next message is waited for."""
        self._waiting = True

    def stop(self) -> None:
        """End the watch, and the call if it still runs."""
        self._timer.cancel()
        self._cancel()

    def _start(self) -> threading.Timer:
        timer = threading.Timer(self._seconds, self._look)
        timer.daemon = True
        timer.start()
        return timer

    def _look(self) -> None:
        if self._waiting and self._bytes < STREAM_BYTES_MIN:
            self.slow = True
            self._cancel()
            return
        self._bytes = 0
        self._timer = self._start()


def named(error: PeerError, peer: str) -> PeerError:
    """Return an error with the peer's name among its values."""
    return PeerError(error.reason, **{**error.values, "peer": peer})
