"""Bringing a log to a peer over gRPC: cosignatures asked for, entries pushed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import grpc

from shahrdad.federation import status, wire
from shahrdad.federation.grpc_reader import GrpcReader
from shahrdad.federation.limits import STREAM_SECONDS_MAX, UNARY_SECONDS_MAX
from shahrdad.federation.reader import LogChunk, LogStart
from shahrdad.proto.v1 import federation_pb2 as pb
from shahrdad.proto.v1 import federation_pb2_grpc as rpc


@dataclass(frozen=True, slots=True)
class Pushed:
    """A peer's answer to a push: what it holds now, and its lines if it cosigned."""

    next_index: int
    cosignatures: bytes


class GrpcWriter:
    """The write side of one peer; a `push.LogWriterSide`.

    Args:
        reader: The same peer, read; its channel is used and stays its own.
    """

    def __init__(self, reader: GrpcReader) -> None:
        self._reader = reader
        self._stub = rpc.MirrorServiceStub(reader.channel)

    def add_checkpoint(
        self, old_size: int, proof: Sequence[bytes], note: bytes
    ) -> bytes:
        """Ask for a cosignature; return its lines, which the caller verifies.

        Raises:
            ConflictError: OLD_SIZE_CONFLICT with the recorded `size`.
            RequestError, UnavailableError: the peer refused, or did not answer.
        """
        request = pb.AddCheckpointRequest(
            old_size=old_size, proof=proof, checkpoint=note
        )
        try:
            answer = self._stub.AddCheckpoint(request, timeout=UNARY_SECONDS_MAX)
        except grpc.RpcError as error:
            raise status.from_rpc_error(error, self._reader.name) from error
        return answer.cosignatures

    def push_log(self, parts: Iterator[LogStart | LogChunk]) -> Pushed:
        """Push one start and its chunks.

        Raises:
            ConflictError: OLD_SIZE_CONFLICT with the peer's `size`.
            RequestError, UnavailableError: the peer refused, or did not answer.
        """
        try:
            answer = self._stub.PushLog(
                map(_request, parts),
                timeout=STREAM_SECONDS_MAX,
                compression=grpc.Compression.Gzip,
            )
        except grpc.RpcError as error:
            raise status.from_rpc_error(error, self._reader.name) from error
        return Pushed(answer.next_index, answer.cosignatures)


def _request(part: LogStart | LogChunk) -> pb.PushLogRequest:
    if isinstance(part, LogStart):
        return pb.PushLogRequest(start=wire.start_to_wire(part))
    return pb.PushLogRequest(chunk=wire.chunk_to_wire(part))
