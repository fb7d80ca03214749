"""Protobuf messages ↔ the plain values of `reader`; nothing is decided here.

What a message may hold is bounded before it becomes a value: a proof has at most 63
hashes of 32 bytes, a digest has 32, a chunk at most 256 entries. A message that passes
is still not believed: `ingest` verifies it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import (
    BODY_BYTES_MAX,
    CHUNK_ENTRIES_MAX,
    CURSOR_CHARACTERS_MAX,
    HEADS_MAX,
    NOTE_BYTES_MAX,
    PROOF_HASHES_MAX,
)
from shahrdad.federation.reader import (
    Body,
    BodyAbsence,
    BodyMode,
    ConsistencyProof,
    Head,
    HeadsPage,
    LogChunk,
    LogStart,
    NodeFacts,
)
from shahrdad.proto.v1 import federation_pb2 as pb

HASH_BYTES = 32


def head_to_wire(head: Head) -> pb.Head:
    """Return a head as a message."""
    message = pb.Head(
        origin=head.origin,
        size=head.size,
        checkpoint=head.checkpoint,
        missing_bodies=head.missing_bodies,
        evidence=head.evidence,
    )
    if head.verified_at:
        message.verified_time.CopyFrom(_timestamp(head.verified_at))
    return message


def head_from_wire(message: pb.Head) -> Head:
    """Read a head.

    Raises:
        PeerError: TOO_LARGE.
    """
    for content in (message.checkpoint, message.evidence):
        _bound(len(content), NOTE_BYTES_MAX)
    verified_at = ""
    if message.HasField("verified_time"):
        verified_at = _text_of(message.verified_time)
    return Head(
        origin=message.origin,
        size=message.size,
        checkpoint=message.checkpoint,
        verified_at=verified_at,
        missing_bodies=message.missing_bodies,
        evidence=message.evidence,
    )


def page_from_wire(message: pb.ListHeadsResponse) -> HeadsPage:
    """Read a page of heads.

    Raises:
        PeerError: TOO_LARGE.
    """
    _bound(len(message.heads), HEADS_MAX)
    _bound(len(message.next_cursor), CURSOR_CHARACTERS_MAX)
    heads = tuple(head_from_wire(head) for head in message.heads)
    return HeadsPage(heads, message.next_cursor, message.more)


def start_to_wire(start: LogStart) -> pb.LogStart:
    """Return the start of a stream as a message."""
    return pb.LogStart(
        head=head_to_wire(start.head),
        from_size=start.from_size,
        from_root=start.from_root,
        proof=start.proof,
    )


def start_from_wire(message: pb.LogStart) -> LogStart:
    """Read the start of a stream.

    Raises:
        PeerError: MALFORMED, TOO_LARGE.
    """
    if len(message.from_root) not in {0, HASH_BYTES}:
        raise _malformed("from_root", "expected 0 or 32 bytes")
    return LogStart(
        head=head_from_wire(message.head),
        from_size=message.from_size,
        from_root=message.from_root,
        proof=proof_from_wire(message.proof),
    )


def chunk_to_wire(chunk: LogChunk) -> pb.LogChunk:
    """Return a chunk as a message."""
    return pb.LogChunk(
        start_index=chunk.start_index,
        entries=chunk.entries,
        bodies=[body_to_wire(body) for body in chunk.bodies],
        proof=chunk.proof,
    )


def chunk_from_wire(message: pb.LogChunk) -> LogChunk:
    """Read a chunk.

    Raises:
        PeerError: MALFORMED, TOO_LARGE.
    """
    for count in (len(message.entries), len(message.bodies)):
        if count > CHUNK_ENTRIES_MAX:
            raise _malformed("chunk", f"{count} elements, at most {CHUNK_ENTRIES_MAX}")
    return LogChunk(
        start_index=message.start_index,
        entries=tuple(message.entries),
        bodies=tuple(body_from_wire(body) for body in message.bodies),
        proof=proof_from_wire(message.proof),
    )


def part_from_wire(
    message: pb.ReadLogResponse | pb.PushLogRequest,
) -> LogStart | LogChunk:
    """Read one message of a stream.

    Raises:
        PeerError: MALFORMED, TOO_LARGE.
    """
    part = message.WhichOneof("part")
    if part == "start":
        return start_from_wire(message.start)
    if part == "chunk":
        return chunk_from_wire(message.chunk)
    raise _malformed("part", "neither start nor chunk")


def body_to_wire(body: Body) -> pb.Body:
    """Return a body as a message."""
    if body.absence is BodyAbsence.PRESENT:
        return pb.Body(sha256=body.sha256, content=body.content)
    return pb.Body(
        sha256=body.sha256,
        content=body.content,
        absence=pb.BodyAbsence.ValueType(body.absence),
    )


def body_from_wire(message: pb.Body) -> Body:
    """Read a body; a reason of absence that is not known reads as UNKNOWN.

    Raises:
        PeerError: MALFORMED, TOO_LARGE.
    """
    sha256, content = message.sha256, message.content
    if len(sha256) != HASH_BYTES:
        raise _malformed("sha256", "expected 32 bytes")
    if len(content) > BODY_BYTES_MAX:
        _bound(len(content), BODY_BYTES_MAX)
    if not message.absence:
        return Body(sha256, content)
    try:
        return Body(sha256, content, BodyAbsence(message.absence))
    except ValueError:
        return Body(sha256, content, BodyAbsence.UNKNOWN)


def proof_from_wire(hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    """Read the hashes of a proof.

    Raises:
        PeerError: MALFORMED.
    """
    if len(hashes) > PROOF_HASHES_MAX:
        raise _malformed("proof", f"{len(hashes)} hashes, at most {PROOF_HASHES_MAX}")
    if any(len(node) != HASH_BYTES for node in hashes):
        raise _malformed("proof", "expected hashes of 32 bytes")
    return tuple(hashes)


def consistency_from_wire(
    message: pb.GetConsistencyProofResponse,
) -> ConsistencyProof:
    """Read an answer about two sizes.

    Raises:
        PeerError: MALFORMED.
    """
    for root in (message.from_root, message.to_root):
        if len(root) != HASH_BYTES:
            raise _malformed("root", "expected 32 bytes")
    proof = proof_from_wire(message.proof)
    return ConsistencyProof(message.from_root, message.to_root, proof)


def node_to_wire(facts: NodeFacts) -> pb.GetNodeResponse:
    """Return what a node says of itself as a message."""
    return pb.GetNodeResponse(
        origin=facts.origin,
        member_log_origin=facts.member_log_origin,
        vkeys=facts.vkeys,
        limits=pb.Limits(
            max_entry_bytes=facts.entry_bytes_max,
            max_body_bytes=facts.body_bytes_max,
            max_message_bytes=facts.message_bytes_max,
            max_chunk_entries=facts.chunk_entries_max,
        ),
        features=facts.features,
        software=facts.software,
    )


def node_from_wire(message: pb.GetNodeResponse) -> NodeFacts:
    """Read what a node says of itself."""
    return NodeFacts(
        origin=message.origin,
        member_log_origin=message.member_log_origin,
        vkeys=tuple(message.vkeys),
        features=tuple(message.features),
        software=message.software,
        entry_bytes_max=message.limits.max_entry_bytes,
        body_bytes_max=message.limits.max_body_bytes,
        message_bytes_max=message.limits.max_message_bytes,
        chunk_entries_max=message.limits.max_chunk_entries,
    )


def body_mode_from_wire(mode: pb.BodyMode.ValueType) -> BodyMode:
    """Read which bodies are asked for; unspecified and unknown modes mean LIVE."""
    try:
        return BodyMode(mode)
    except ValueError:
        return BodyMode.LIVE


def _timestamp(text: str) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(datetime.fromisoformat(text))
    return stamp


def _text_of(stamp: Timestamp) -> str:
    try:
        moment = stamp.ToDatetime(UTC)
    except (ValueError, OverflowError) as error:
        raise _malformed("verified_time", "out of range") from error
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _bound(size: int, size_max: int) -> None:
    if size > size_max:
        raise PeerError(Reason.TOO_LARGE, size_bytes=size, size_bytes_max=size_max)


def _malformed(field: str, detail: str) -> PeerError:
    return PeerError(Reason.MALFORMED, field=field, detail=detail)
