"""Every limit of the federation, and the tests that pass it and that break it.

A new limit without a line here fails; a line whose test is gone fails too.
"""

import re
from pathlib import Path
from typing import Any

import pytest

from federation_world import ORIGIN, filled, new_ingest
from forum_world import FORUM, city_log, city_record, key_span, rules_record, witness
from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.federation import limits, member_records, wire
from shahrdad.federation.reader import Head, HeadsPage, LogChunk
from shahrdad.federation.store_reader import StoreReader
from shahrdad.federation.verify import policy
from shahrdad.federation.verify.note import Kind, Signer
from shahrdad.proto.v1 import federation_pb2 as pb
from simulator import SimLog, SimPeer, seed

HERE = Path(__file__).parent
TABLE = {
    "ENTRY_BYTES_MAX": "test_ingest_hostile.py test_largest_entry_passes",
    "BODY_BYTES_MAX": "test_limits.py test_body_bytes",
    "KEY_BYTES_MAX": "test_entry.py test_",
    "ORIGIN_CHARACTERS_MAX": "test_checkpoint.py test_origins_of_members",
    "JSON_DEPTH_MAX": "test_strict_json.py test_",
    "INTEGER_MAX": "test_strict_json.py test_",
    "SIZE_MAX": "test_checkpoint.py test_largest_size_is_read",
    "NOTE_BYTES_MAX": "test_note.py test_longest_note_is_accepted",
    "SIGNATURE_LINES_MAX": "test_note.py test_most_signature_lines",
    "COSIGNATURES_MAX": "test_checkpoint.py test_newest_sixteen_cosignatures_stay",
    "PROOF_HASHES_MAX": "test_tree.py test_longest_proof_is_computed",
    "COSIGNATURE_AHEAD_SECONDS_MAX": "test_note.py test_cosignature_from_the_future",
    "SEEN_HEADS_MAX": "test_log_store.py test_newest_seen_heads_stay",
    "POLICY_LOGS_MAX": "test_limits_table.py test_logs_and_groups_of_a_policy",
    "POLICY_WITNESSES_MAX": "test_policy.py test_most_witnesses_are_read",
    "POLICY_GROUPS_MAX": "test_limits_table.py test_logs_and_groups_of_a_policy",
    "APPROVERS_MAX": "test_limits_table.py test_lists_of_member_records",
    "WITNESSES_MAX": "test_limits_table.py test_lists_of_member_records",
    "MEMBER_LOGS_MAX": "test_limits_table.py test_lists_of_member_records",
    "MEMBER_KEYS_MAX": "test_limits_table.py test_lists_of_member_records",
    "MEMBER_ADDRESSES_MAX": "test_limits_table.py test_lists_of_member_records",
    "MONTH_PARTS_MAX": "test_month_roots.py test_so_many_parts_are_read",
    "RETENTION_MONTHS_MAX": "test_allowances.py test_rules_may_widen",
    "RETENTION_FAMILIES_MAX": "test_allowances.py test_rules_may_widen",
    "CHUNK_ENTRIES_MAX": "test_limits_table.py test_elements_of_a_chunk",
    "CHUNK_BYTES_MAX": "test_service.py test_small_chunks_on_demand",
    "MESSAGE_BYTES_MAX": "test_service.py test_message_above_the_limit",
    "HEADS_DEFAULT": "test_limits_table.py test_heads_of_an_answer",
    "HEADS_MAX": "test_limits_table.py test_heads_of_an_answer",
    "HEADS_BYTES_MAX": "test_limits.py test_heads_page_ends_at_its_bytes",
    "HEADS_ORIGINS_MAX": "test_limits_table.py test_origins_asked_for",
    "WAIT_SECONDS_MAX": "test_service.py test_long_poll_ends_with_its_time",
    "BODIES_DIGESTS_MAX": "test_service.py test_most_digests_and_one_above",
    "BODIES_ASKED_MAX": "test_limits_table.py test_bodies_asked_of_one_peer",
    "GROWTH_ENTRIES_DAY_MAX": "test_ingest.py test_flood_pauses_a_log",
    "GROWTH_BODY_BYTES_DAY_MAX": "test_allowances.py test_rules_may_not_narrow",
    "LOG_ENTRIES_MAX": "test_limits.py test_entries_of_a_log",
    "LOG_BODY_BYTES_MAX": "test_limits.py test_body_bytes_of_a_log",
    "WITHDRAWN_PERCENT_MAX": "test_limits.py test_mass_withdrawal",
    "WITHDRAWALS_FREE": "test_limits.py test_small_catalogs_change_freely",
    "HEADS_FILE_BYTES_MAX": "test_static.py test_list_of_logs_has_a_bound",
    "ENTRY_BUNDLE_BYTES_MAX": "test_static.py test_longest_bundle_is_one_chunk",
    "ZIP_DIRECTORY_BYTES_MAX": "test_static.py test_directory_of_a_zip_is_judged",
    "PART_BYTES_MAX": "test_bundle.py test_parts_are_bounded",
    "ZIP_FILES_MAX": "test_static.py test_directory_of_a_zip_is_judged",
    "CONNECT_SECONDS_MAX": "test_service.py test_dead_peer_is_unreachable",
    "UNARY_SECONDS_MAX": "test_limits_table.py test_deadlines_of_calls",
    "WAIT_GRACE_SECONDS": "test_limits_table.py test_deadlines_of_calls",
    "STREAM_SECONDS_MAX": "test_limits_table.py test_deadlines_of_calls",
    "STREAM_BYTES_MIN": "test_limits.py test_trickling_stream_is_given_up",
    "STREAM_WINDOW_SECONDS": "test_limits.py test_steady_stream_goes_on",
    "CLIENT_READ_LOG_MAX": "test_limits.py test_read_log_slots",
    "CLIENT_PUSH_LOG_MAX": "test_mirror_service.py test_",
    "CLIENT_POLLS_MAX": "test_service.py test_polls_of_one_client_are_bounded",
    "CLIENT_REQUESTS_MINUTE_MAX": "test_service.py test_quota_of_requests",
    "ADD_CHECKPOINT_MINUTE_MAX": "test_mirror_service.py test_add_checkpoint_quota",
    "CURSOR_CHARACTERS_MAX": "test_limits_table.py test_length_of_a_cursor",
    "PEERS_AT_ONCE_MAX": "test_limits.py test_more_peers_than_threads",
}


def test_every_limit_has_its_tests() -> None:
    """The table names each limit, and no other."""
    names = {name for name in vars(limits) if name.isupper()}

    assert names == set(TABLE)


@pytest.mark.parametrize("name", sorted(TABLE))
def test_named_test_exists(name: str) -> None:
    """What the table names is there."""
    file, function = TABLE[name].split()

    assert re.search(rf"def {function}", (HERE / file).read_text("utf-8"))


def keys(origin: str, count: int) -> list[dict[str, Any]]:
    """Return keys of a log."""
    names = [f"{origin} {number}" for number in range(count)]
    signers = [Signer.from_seed(origin, seed(name), Kind.LOG) for name in names]
    return [key_span(signer) for signer in signers]


def logs(count: int) -> list[dict[str, Any]]:
    """Return logs of a city."""
    origins = [f"c{number}.example.ir/catalog" for number in range(count)]
    return [
        city_log("c", origin=origin, keys=keys(origin, 1), state="open")
        for origin in origins
    ]


def rules(field: str, count: int) -> None:
    """Read rules with so many approvers, witnesses or keys."""
    approvers = [
        Signer.from_seed(f"a{n}", seed(f"a{n}"), Kind.LOG).vkey for n in range(count)
    ]
    since = "2026-01-01T00:00:00Z"
    witnesses = [
        {"city": f"c{n}", "vkey": witness(f"c{n}").vkey, "since": since, "until": None}
        for n in range(count)
    ]
    values: dict[str, Any] = {"approvers": approvers, "witnesses": witnesses}
    record = rules_record(**{field: values[field]})
    member_records.read_rules(FORUM, record)


def member(field: str, count: int) -> None:
    """Read the record of a city with so many logs, keys or addresses."""
    values: dict[str, Any] = {
        "logs": lambda: {"logs": logs(count)},
        "keys": lambda: {
            "logs": [city_log("qom", keys=keys("qom.example.ir/catalog", count))]
        },
        "static": lambda: {"static": ["https://qom.example.ir"] * count},
        "grpc": lambda: {
            "grpc": [{"address": "qom.example.ir:443", "tls_roots": None}] * count
        },
    }
    member_records.read_member("qom", city_record("qom", **values[field]()))


@pytest.mark.parametrize(
    ("read", "field", "most"),
    [
        (rules, "approvers", limits.APPROVERS_MAX),
        (rules, "witnesses", limits.WITNESSES_MAX),
        (member, "logs", limits.MEMBER_LOGS_MAX),
        (member, "keys", limits.MEMBER_KEYS_MAX),
        (member, "static", limits.MEMBER_ADDRESSES_MAX),
        (member, "grpc", limits.MEMBER_ADDRESSES_MAX),
    ],
)
def test_lists_of_member_records(read: Any, field: str, most: int) -> None:
    """So many are read, and one more is refused."""
    read(field, most)
    with pytest.raises(PeerError) as caught:
        read(field, most + 1)

    assert Reason.MALFORMED is caught.value.reason


def policy_text(kind: str, count: int) -> bytes:
    """Return a policy of so many logs or groups."""
    signer = Signer.from_seed("w.example/witness", seed("w"), Kind.WITNESS)
    lines = [f"witness w {signer.vkey}"]
    if kind == "log":
        origins = [f"l{number}.example/log" for number in range(count)]
        signers = [Signer.from_seed(one, seed(one), Kind.LOG) for one in origins]
        lines = [f"log {one.vkey}" for one in signers]
    else:
        names = ["w", *(f"g{number}" for number in range(count))]
        lines += [f"group {names[n + 1]} any {names[n]}" for n in range(count)]
    return ("\n".join([*lines, "quorum none"]) + "\n").encode()


@pytest.mark.parametrize(
    ("kind", "most"),
    [("log", limits.POLICY_LOGS_MAX), ("group", limits.POLICY_GROUPS_MAX)],
)
def test_logs_and_groups_of_a_policy(kind: str, most: int) -> None:
    """So many are read, and one more is refused."""
    policy.parse(policy_text(kind, most))
    with pytest.raises(RequestError):
        policy.parse(policy_text(kind, most + 1))


@pytest.mark.parametrize("field", ["entries", "bodies"])
def test_elements_of_a_chunk(field: str) -> None:
    """256 entries or bodies are read from the wire, and one more is refused."""
    most = limits.CHUNK_ENTRIES_MAX
    values: dict[str, Any] = {"entries": b"x", "bodies": pb.Body(sha256=bytes(32))}

    def read(count: int) -> LogChunk:
        chunk = pb.LogChunk()
        getattr(chunk, field).extend([values[field]] * count)
        return wire.chunk_from_wire(chunk)

    assert most == len(getattr(read(most), field))
    with pytest.raises(PeerError):
        read(most + 1)


def page(heads: int, cursor: str) -> HeadsPage:
    """Read an answer with so many heads."""
    head = wire.head_to_wire(Head(ORIGIN, 1, b"note"))
    message = pb.ListHeadsResponse(heads=[head] * heads, next_cursor=cursor)
    return wire.page_from_wire(message)


def test_heads_of_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """2,000 heads are read, and one more is refused; 500 are sent unasked."""
    assert limits.HEADS_MAX == len(page(limits.HEADS_MAX, "").heads)
    with pytest.raises(PeerError):
        page(limits.HEADS_MAX + 1, "")
    asked: list[int] = []
    ingest = new_ingest(filled(1))
    real = ingest.store.heads_after

    def counted(seq: int, limit: int, origins: Any = ()) -> Any:
        asked.append(limit)
        return real(seq, limit, origins)

    monkeypatch.setattr(ingest.store, "heads_after", counted)
    answers = StoreReader(ingest.store)
    for size in (0, limits.HEADS_MAX, limits.HEADS_MAX + 1):
        answers.list_heads(page_size=size)

    assert [limits.HEADS_DEFAULT + 1, *[limits.HEADS_MAX + 1] * 2] == asked


def test_length_of_a_cursor() -> None:
    """A cursor that a peer gives is kept up to 200 characters, and no longer."""
    most = "c" * limits.CURSOR_CHARACTERS_MAX

    assert most == page(0, most).next_cursor
    with pytest.raises(PeerError):
        page(0, most + "c")


def test_origins_asked_for() -> None:
    """A hundred origins are answered, and one more is refused."""
    answers = StoreReader(new_ingest(filled(1)).store)
    answers.list_heads(origins=[ORIGIN] * limits.HEADS_ORIGINS_MAX)
    with pytest.raises(RequestError):
        answers.list_heads(origins=[ORIGIN] * (limits.HEADS_ORIGINS_MAX + 1))


@pytest.mark.parametrize(("most", "asked"), [(2, 2), (3, 3)])
def test_bodies_asked_of_one_peer(
    monkeypatch: pytest.MonkeyPatch, most: int, asked: int
) -> None:
    """A peer that lacks what it lists is asked for so many bodies, and no more."""
    monkeypatch.setattr("shahrdad.federation.ingest.BODIES_ASKED_MAX", most)
    log = SimLog(ORIGIN)
    for number in range(4):
        log.put(f"ds/table-{number}", b"%d" % number)
    log.bodies.clear()
    ingest = new_ingest(log)
    peer = SimPeer("city", [log])
    ingest.pull(peer, ORIGIN)
    seen: set[Any] = set()
    for _ in range(5):
        ingest.fetch_bodies(peer, ORIGIN, 1, seen)

    assert asked == len(seen)


def test_deadlines_of_calls() -> None:
    """A call waits longer than a poll does, and a stream longer than any call."""
    assert limits.WAIT_SECONDS_MAX + limits.WAIT_GRACE_SECONDS > (
        limits.UNARY_SECONDS_MAX
    )
    assert limits.UNARY_SECONDS_MAX > limits.CONNECT_SECONDS_MAX
    assert limits.STREAM_SECONDS_MAX > limits.STREAM_WINDOW_SECONDS
