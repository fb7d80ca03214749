"""The mirror service: cosignatures on request, and logs that their cities push.

The log's own signature is the only authorisation: anyone may bring anyone's log, since
what they bring is verified like what is fetched. A push is taken part by part. While
its sender is silent no thread is held, and what was taken stays when it is cut off.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import grpc
import grpc.aio

from shahrdad.datasets.errors import (
    PeerError,
    Reason,
    RequestError,
    ShahrdadError,
    UnavailableError,
)
from shahrdad.federation import wire
from shahrdad.federation.incoming import Incoming
from shahrdad.federation.ingest import Ingest
from shahrdad.federation.limits import (
    ADD_CHECKPOINT_MINUTE_MAX,
    CLIENT_PUSH_LOG_MAX,
    CLIENT_REQUESTS_MINUTE_MAX,
    STREAM_BYTES_MIN,
    STREAM_SECONDS_MAX,
    STREAM_WINDOW_SECONDS,
)
from shahrdad.federation.quotas import ClientQuotas, client_address
from shahrdad.federation.reader import Head, LogChunk, LogStart
from shahrdad.federation.service import Context, refuse
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import note as notes
from shahrdad.federation.witness import Witness
from shahrdad.proto.v1 import federation_pb2 as pb
from shahrdad.proto.v1 import federation_pb2_grpc as rpc

Value = TypeVar("Value")
PushContext = Context[pb.PushLogRequest, pb.PushLogResponse]


@dataclass(frozen=True, slots=True)
class WriteSide:
    """What a node does with what is brought to it.

    Attributes:
        ingest: Verifies and stores.
        witness: Cosigns; None = this node is no witness.
        on_pushed: Called with an origin after a push brought entries.
        window_seconds: A push that brings too little in such a time is given up.
    """

    ingest: Ingest
    witness: Witness | None = None
    on_pushed: Callable[[str], None] = lambda origin: None
    window_seconds: float = STREAM_WINDOW_SECONDS


class MirrorServicer(rpc.MirrorServiceServicer):
    """The write side.

    Args:
        side: What is done with what comes.
        quotas: What one client may ask; shared by the services of a server.
        threads: Where hashing and SQLite run.
    """

    def __init__(
        self, side: WriteSide, quotas: ClientQuotas, threads: Executor
    ) -> None:
        self._side = side
        self._quotas = quotas
        self._threads = threads

    async def AddCheckpoint(  # noqa: N802 - named by the protocol
        self,
        request: pb.AddCheckpointRequest,
        context: "Context[pb.AddCheckpointRequest, pb.AddCheckpointResponse]",
    ) -> pb.AddCheckpointResponse:
        """Cosign a head that extends the one cosigned before (C2SP tlog-witness)."""
        lines = b""
        if self._side.witness is None:
            await context.abort(
                grpc.StatusCode.UNIMPLEMENTED, "this node is no witness"
            )
        try:
            client = self._admit(context.peer())
            origin = _origin_of(request.checkpoint)
            self._quotas.count(
                client, f"AddCheckpoint {origin}", ADD_CHECKPOINT_MINUTE_MAX
            )
            lines = await self._run(lambda: self._add_checkpoint(request, client))
        except ShahrdadError as error:
            await refuse(context, error)
        return pb.AddCheckpointResponse(cosignatures=lines)

    async def PushLog(  # noqa: N802
        self,
        request_iterator: AsyncIterator[pb.PushLogRequest],
        context: PushContext,
    ) -> pb.PushLogResponse:
        """Take a log from whoever brings it."""
        answer = pb.PushLogResponse()
        try:
            client = self._admit(context.peer())
            with self._quotas.slot(client, "PushLog", CLIENT_PUSH_LOG_MAX):
                async with asyncio.timeout(STREAM_SECONDS_MAX):
                    answer = await self._push(request_iterator, client)
        except TimeoutError:
            late = UnavailableError(Reason.TIMEOUT, peer="sender")
            await refuse(context, late)
        except sqlite3.OperationalError:  # our disk is full: that is not the sender's
            await refuse(context, UnavailableError(Reason.NOT_READY, state="full"))
        except ShahrdadError as error:
            await refuse(context, error)
        return answer

    def _admit(self, peer: str) -> str:
        """Count a request and return its client.

        Raises:
            UnavailableError: QUOTA_EXCEEDED.
        """
        client = client_address(peer)
        self._quotas.count(client, "requests", CLIENT_REQUESTS_MINUTE_MAX)
        return client

    def _add_checkpoint(self, request: pb.AddCheckpointRequest, client: str) -> bytes:
        """Check, compare with what is held, record and sign, in that order."""
        witness, ingest = self._side.witness, self._side.ingest
        if witness is None:
            raise RuntimeError("a node without a witness key cosigns nothing")
        proof = wire.proof_from_wire(request.proof)
        head = witness.check(request.old_size, proof, request.checkpoint)
        # Federation 7: every validly signed head is compared, whoever sent it.
        ingest.offer(Head(head.origin, head.size, request.checkpoint), client)
        line = witness.sign(request.old_size, head, request.checkpoint)
        held = ingest.store.find_log(head.origin)
        if held is not None and held.head_size == head.size:
            ingest.put_cosignature(head.origin, line)
        return line.line().encode()

    async def _push(
        self, requests: AsyncIterator[pb.PushLogRequest], client: str
    ) -> pb.PushLogResponse:
        """Take one stream, part by part."""
        incoming: Incoming | None = None
        pace = _Pace(self._side.window_seconds)
        try:
            while (request := await pace.next(requests)) is not None:
                part = wire.part_from_wire(request)
                if incoming is None:
                    incoming = await self._run(partial(self._begin, part, client))
                await self._run(partial(incoming.take, part))
                if not incoming.wanted:
                    break
            if incoming is None:
                raise PeerError(Reason.MALFORMED, field="stream", detail="empty")
            return await self._run(partial(self._finish, incoming))
        finally:
            if incoming is not None:  # also of a push that was cut, or turned bad
                await self._run(incoming.keep)

    def _begin(self, part: LogStart | LogChunk, client: str) -> Incoming:
        """Begin to take the log that the first part names."""
        if not isinstance(part, LogStart):
            raise PeerError(
                Reason.MALFORMED, field="stream", detail="it begins with no start"
            )
        return self._side.ingest.incoming(part.head.origin, client)

    def _finish(self, incoming: Incoming) -> pb.PushLogResponse:
        """Complete the head if all of it came, and cosign it."""
        ingest, witness = self._side.ingest, self._side.witness
        origin = incoming.pulled.origin
        incoming.keep()
        if incoming.wanted and incoming.complete:
            incoming.end()
        answer = pb.PushLogResponse(next_index=ingest.store.log(origin).size)
        if witness is not None:
            line = witness.cosign(origin)
            if line is not None:
                ingest.put_cosignature(origin, line)
            answer.cosignatures = _lines_of(ingest, origin, witness.name)
        if incoming.pulled.entries:
            self._side.on_pushed(origin)
        return answer

    async def _run(self, call: Callable[[], Value]) -> Value:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)


class _Pace:
    """Gives up on a push that trickles: it would hold a slot for ten minutes."""

    def __init__(self, window_seconds: float) -> None:
        self._window = window_seconds
        self._bytes = 0
        self._waited = 0.0

    async def next(
        self, requests: AsyncIterator[pb.PushLogRequest]
    ) -> pb.PushLogRequest | None:
        """Return the next message, None at the end; only the sender's time counts.

        Raises:
            UnavailableError: TIMEOUT.
        """
        loop = asyncio.get_running_loop()
        start = loop.time()
        try:
            async with asyncio.timeout(self._window):
                request = await anext(requests, None)
        except TimeoutError as error:
            raise UnavailableError(Reason.TIMEOUT, peer="sender") from error
        self._waited += loop.time() - start
        self._bytes += 0 if request is None else request.ByteSize()
        if self._waited > self._window:
            if self._bytes < STREAM_BYTES_MIN and request is not None:
                raise UnavailableError(Reason.TIMEOUT, peer="sender")
            self._waited, self._bytes = 0.0, 0
        return request


def _origin_of(note: bytes) -> str:
    """Return what log a note claims to be of.

    Raises:
        RequestError: MALFORMED, TOO_LARGE.
    """
    try:
        return checkpoints.peek(note).origin[:128]
    except PeerError as error:
        raise RequestError(error.reason, **error.values) from error


def _lines_of(ingest: Ingest, origin: str, name: str) -> bytes:
    """Return the lines of one witness on the complete head, when it is held whole."""
    log = ingest.store.log(origin)
    if log.checkpoint is None or log.head_size != log.size:
        return b""
    _, lines = notes.split(log.checkpoint)
    return b"".join(line.line().encode() for line in lines if line.name == name)
