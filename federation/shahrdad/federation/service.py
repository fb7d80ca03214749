"""The federation service: gRPC in front of `StoreReader`; nothing is decided here.

The work of SQLite and of hashing runs in threads; a waiting poll holds none. A slow
reader costs one chunk: `yield` awaits the window of its connection. The server keeps
nothing about a client besides its quotas.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from typing import TypeVar

import grpc
import grpc.aio
from grpc_status import rpc_status

from shahrdad.datasets.errors import Reason, RequestError, ShahrdadError
from shahrdad.federation import status, wire
from shahrdad.federation.changes import Changes
from shahrdad.federation.limits import (
    BODIES_DIGESTS_MAX,
    CHUNK_BYTES_MAX,
    CLIENT_POLLS_MAX,
    CLIENT_READ_LOG_MAX,
    CLIENT_REQUESTS_MINUTE_MAX,
    WAIT_SECONDS_MAX,
)
from shahrdad.federation.quotas import ClientQuotas, client_address
from shahrdad.federation.reader import Body, HeadsPage, LogStart
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.verify.digest import Digest
from shahrdad.proto.v1 import federation_pb2 as pb
from shahrdad.proto.v1 import federation_pb2_grpc as rpc

Value = TypeVar("Value")
Request = TypeVar("Request")
Response = TypeVar("Response")
Context = grpc.aio.ServicerContext[Request, Response]

ProofContext = Context[pb.GetConsistencyProofRequest, pb.GetConsistencyProofResponse]

SIZE_MAX = 2**63 - 1


async def refuse(context: "Context[Request, Response]", error: ShahrdadError) -> None:
    """End a call with an error, its reason and its sentences; does not return."""
    rich = rpc_status.to_status(status.to_status(error))
    await context.abort(rich.code, rich.details, rich.trailing_metadata)


class FederationServicer(rpc.FederationServiceServicer):
    """The read side. Anonymous: catalogs are public and verify themselves.

    Args:
        answers: What the node answers.
        changes: Wakes the polls.
        quotas: What one client may ask; shared by the services of a server.
        threads: Where the store is asked.
    """

    def __init__(
        self,
        answers: StoreReader,
        changes: Changes,
        quotas: ClientQuotas,
        threads: Executor,
    ) -> None:
        self._answers = answers
        self._changes = changes
        self._quotas = quotas
        self._threads = threads

    async def GetNode(  # noqa: N802 - named by the protocol
        self,
        request: pb.GetNodeRequest,
        context: "Context[pb.GetNodeRequest, pb.GetNodeResponse]",
    ) -> pb.GetNodeResponse:
        """Say who this node is."""
        try:
            self._admit(context)
        except ShahrdadError as error:
            await refuse(context, error)
        return wire.node_to_wire(self._answers.node())

    async def ListHeads(  # noqa: N802
        self,
        request: pb.ListHeadsRequest,
        context: "Context[pb.ListHeadsRequest, pb.ListHeadsResponse]",
    ) -> pb.ListHeadsResponse:
        """List heads that changed; with `wait_seconds` wait until one does."""
        page = HeadsPage((), "")
        try:
            client = self._admit(context)
            page = await self._page(request)
            if not page.heads and request.wait_seconds:
                with self._quotas.slot(client, "waiting polls", CLIENT_POLLS_MAX):
                    page = await self._wait(request, page)
        except ShahrdadError as error:
            await refuse(context, error)
        return pb.ListHeadsResponse(
            heads=[wire.head_to_wire(head) for head in page.heads],
            next_cursor=page.next_cursor,
            more=page.more,
        )

    async def ReadLog(  # noqa: N802
        self,
        request: pb.ReadLogRequest,
        context: "Context[pb.ReadLogRequest, pb.ReadLogResponse]",
    ) -> AsyncIterator[pb.ReadLogResponse]:
        """Stream a log with a proof for every chunk."""
        context.set_compression(grpc.Compression.Gzip)
        try:
            client = self._admit(context)
            _check_size("from_size", request.from_size)
            with self._quotas.slot(client, "ReadLog", CLIENT_READ_LOG_MAX):
                parts = self._answers.read_log(
                    request.origin,
                    request.from_size,
                    wire.body_mode_from_wire(request.body_mode),
                    chunk_bytes=request.max_chunk_bytes,
                )
                async for part in self._each(parts):
                    if isinstance(part, LogStart):
                        yield pb.ReadLogResponse(start=wire.start_to_wire(part))
                    else:
                        yield pb.ReadLogResponse(chunk=wire.chunk_to_wire(part))
        except ShahrdadError as error:
            await refuse(context, error)

    async def ReadBodies(  # noqa: N802
        self,
        request: pb.ReadBodiesRequest,
        context: "Context[pb.ReadBodiesRequest, pb.ReadBodiesResponse]",
    ) -> AsyncIterator[pb.ReadBodiesResponse]:
        """Answer every digest, in messages of about 1 MiB."""
        context.set_compression(grpc.Compression.Gzip)
        try:
            client = self._admit(context)
            digests = _digests(request)
            with self._quotas.slot(client, "ReadLog", CLIENT_READ_LOG_MAX):
                held: list[Body] = []
                async for body in self._each(self._answers.read_bodies(digests)):
                    size = sum(len(other.content) for other in held)
                    if held and size + len(body.content) > CHUNK_BYTES_MAX:
                        yield _bodies(held)
                        held = []
                    held.append(body)
                yield _bodies(held)
        except ShahrdadError as error:
            await refuse(context, error)

    async def GetConsistencyProof(  # noqa: N802
        self,
        request: pb.GetConsistencyProofRequest,
        context: "ProofContext",
    ) -> pb.GetConsistencyProofResponse:
        """Prove that one size of our tree extends another."""
        answer = pb.GetConsistencyProofResponse()
        try:
            self._admit(context)
            for name, size in (
                ("from_size", request.from_size),
                ("to_size", request.to_size),
            ):
                _check_size(name, size)
            found = await self._run(
                lambda: self._answers.consistency_proof(
                    request.origin, request.from_size, request.to_size
                )
            )
            answer.from_root, answer.to_root = found.from_root, found.to_root
            answer.proof.extend(found.proof)
        except ShahrdadError as error:
            await refuse(context, error)
        return answer

    async def GetReceipt(  # noqa: N802
        self,
        request: pb.GetReceiptRequest,
        context: "Context[pb.GetReceiptRequest, pb.GetReceiptResponse]",
    ) -> pb.GetReceiptResponse:
        """Give the offline receipt of an entry."""
        receipt = b""
        try:
            self._admit(context)
            subject: int | str = request.key
            if request.WhichOneof("subject") == "index":
                _check_size("index", request.index)
                subject = request.index
            receipt = await self._run(
                lambda: self._answers.receipt(request.origin, subject)
            )
        except ShahrdadError as error:
            await refuse(context, error)
        return pb.GetReceiptResponse(tlog_proof=receipt)

    def _admit(self, context: "Context[Request, Response]") -> str:
        """Count a request and return its client.

        Raises:
            UnavailableError: QUOTA_EXCEEDED.
        """
        client = client_address(context.peer())
        self._quotas.count(client, "requests", CLIENT_REQUESTS_MINUTE_MAX)
        return client

    async def _page(self, request: pb.ListHeadsRequest, cursor: str = "") -> HeadsPage:
        origins = tuple(request.origins)
        return await self._run(
            lambda: self._answers.list_heads(
                cursor or request.cursor, 0, origins, page_size=request.page_size
            )
        )

    async def _wait(self, request: pb.ListHeadsRequest, page: HeadsPage) -> HeadsPage:
        """Wait until a head changes, or the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + min(request.wait_seconds, WAIT_SECONDS_MAX)
        while True:
            watch = self._changes.watch()
            page = await self._page(request, page.next_cursor)
            seconds = end - loop.time()
            if page.heads or not await self._changes.wait(watch, seconds):
                return page

    async def _run(self, call: Callable[[], Value]) -> Value:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    async def _each(self, parts: Iterator[Value]) -> AsyncIterator[Value]:
        """Yield the parts of an iterator, each made in a thread when it is needed."""
        end = object()
        while True:
            part = await self._run(lambda: next(parts, end))
            if part is end:
                return
            yield part  # type: ignore[misc]


def _bodies(bodies: list[Body]) -> pb.ReadBodiesResponse:
    return pb.ReadBodiesResponse(bodies=[wire.body_to_wire(body) for body in bodies])


def _digests(request: pb.ReadBodiesRequest) -> list[Digest]:
    """Read the digests that are asked for.

    Raises:
        RequestError: MALFORMED.
    """
    if not 1 <= len(request.sha256) <= BODIES_DIGESTS_MAX:
        detail = f"{len(request.sha256)}, not 1 to {BODIES_DIGESTS_MAX}"
        raise RequestError(Reason.MALFORMED, field="sha256", detail=detail)
    try:
        return [Digest(raw) for raw in request.sha256]
    except ValueError as error:
        raise RequestError(
            Reason.MALFORMED, field="sha256", detail="expected 32 bytes"
        ) from error


def _check_size(field: str, size: int) -> None:
    """Refuse a size that SQLite has no number for."""
    if size > SIZE_MAX:
        raise RequestError(Reason.MALFORMED, field=field, detail="above 2^63 - 1")
