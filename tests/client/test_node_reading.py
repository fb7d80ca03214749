"""Reading from a node: what it sends is verified, whatever it sends."""

from pathlib import Path

import httpx2
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client_city import City, Transport, budget, flipped, reader
from shahrdad.client import NetworkError, NotFound, Trust, VerificationError, Withdrawn
from shahrdad.datasets.errors import Reason
from shahrdad.federation.verify.note import Kind, Signer
from shahrdad.federation.verify.policy import Policy

REF = "kerman/budget-1404"


def published() -> City:
    """Return a city with two versions of a budget."""
    city = City()
    city.publish(parts=[budget()], day=1)
    city.publish(parts=[budget(4, step=2)], day=9)
    return city


def test_newest_version_is_read_and_confirmed() -> None:
    """A table comes back as published, and the verdict names the quorum."""
    city = published()
    dataset = reader(Transport(city), policy=city.policy()).dataset(REF)
    table = dataset.table()

    assert budget(4, step=2).equals(table.replace_schema_metadata(None))
    assert (REF, 2) == (dataset.ref, dataset.version)
    assert Trust.CONFIRMED is dataset.verdict.trust
    assert "content" == dataset.provenance.verified
    assert "node" == dataset.provenance.selection
    assert sorted(city.witnesses) == list(dataset.provenance.cosigners)
    assert [("budget", "whole")] == [(f.name, f.how) for f in dataset.provenance.files]


def test_every_step_of_the_chain_is_in_the_verdict() -> None:
    """A reader sees what was checked, in its order."""
    city = published()
    verdict = reader(Transport(city), policy=city.policy()).dataset(REF).verdict

    assert ["body", "name", "inclusion", "signature", "quorum"] == [
        step.name for step in verdict.steps
    ]
    assert bool(verdict)
    assert "confirmed" in repr(verdict)


@pytest.mark.parametrize(
    ("path", "step"),
    [
        ("descriptor", "body"),
        ("/mirror/object/", "file"),
    ],
)
def test_one_changed_bit_is_refused_with_its_step(path: str, step: str) -> None:
    """Nobody between city and reader can change a record or a table."""
    city = published()
    transport = Transport(city)
    transport.tamper[path] = flipped

    with pytest.raises(VerificationError) as caught:
        reader(transport, policy=city.policy()).dataset(REF).table()
    assert Reason.VERIFICATION_FAILED is caught.value.reason
    assert step == caught.value.values["subject"]


def test_proof_of_another_place_is_refused() -> None:
    """An entry that does not stand under the root is refused at `inclusion`."""
    city = published()
    transport = Transport(city)
    transport.tamper["receipt"] = lambda raw: raw.replace(b"index 2\n", b"index 1\n")

    with pytest.raises(VerificationError) as caught:
        reader(transport, policy=city.policy()).dataset(REF)
    assert "inclusion" == caught.value.values["subject"]


def test_another_signer_is_refused() -> None:
    """A log of the same name and another key is refused at `signature`."""
    city, forger = published(), published()
    forger.signer = Signer.from_seed(city.origin, b"f" * 32, Kind.LOG)

    with pytest.raises(VerificationError) as caught:
        reader(Transport(forger), policy=city.policy()).dataset(REF)
    assert "signature" == caught.value.values["subject"]


def test_too_few_witnesses_are_refused() -> None:
    """Signed, but not shown to the quorum: refused at `quorum`."""
    city = published()
    policy = city.policy()
    city.witnesses = city.witnesses[:1]

    with pytest.raises(VerificationError) as caught:
        reader(Transport(city), policy=policy).dataset(REF)
    assert "quorum" == caught.value.values["subject"]


def test_another_dataset_is_refused() -> None:
    """A truly signed record of another dataset is refused at `name`."""
    city = published()
    city.publish("trees", day=3)
    transport = Transport(city)
    transport.tamper["descriptor"] = lambda _: city.record("trees", 1)
    transport.tamper["receipt"] = lambda _: city.receipt("trees", 1)

    with pytest.raises(VerificationError) as caught:
        reader(transport, policy=city.policy()).dataset(REF)
    assert "name" == caught.value.values["subject"]


def test_older_version_under_a_newer_number_is_refused() -> None:
    """A node cannot pass version 1 off as version 2."""
    city = published()
    transport = Transport(city)
    transport.tamper["descriptor"] = lambda _: city.record("budget-1404", 1)
    transport.tamper["receipt"] = lambda _: city.receipt("budget-1404", 1)

    with pytest.raises(VerificationError) as caught:
        reader(transport, policy=city.policy()).dataset(REF, version=2)
    assert "name" == caught.value.values["subject"]


def test_record_of_another_city_is_refused() -> None:
    """One member city cannot publish in the name of another, once the log is known."""
    city = published()
    thief = City(slug="kerman", origin="rasht.example.ir/catalog")
    thief.publish()
    both = Policy.of([city.signer.verifier, thief.signer.verifier], {}, 0)

    with pytest.raises(VerificationError) as caught:
        reader(Transport(thief), policy=both, cities={"kerman": city.origin}).dataset(
            REF
        )
    assert Reason.CITY_CLAIMED is caught.value.reason


def test_without_a_policy_nothing_is_called_anchored() -> None:
    """Keys that the node names prove little, and the words say so."""
    dataset = reader(Transport(published())).dataset(REF)

    assert Trust.UNANCHORED is dataset.verdict.trust
    assert "signed, not anchored" in repr(dataset)
    assert "signed, not anchored" in repr(dataset.verdict)
    assert "signed, not anchored" == dataset.provenance.trust


def test_without_any_key_nothing_is_believed() -> None:
    """A node that names no key of the log is refused, not believed."""
    transport = Transport(published())
    transport.tamper["/v1/cities/"] = lambda _: b"{}"

    with pytest.raises(VerificationError) as caught:
        reader(transport).dataset(REF)
    assert Reason.KEY_ABSENT is caught.value.reason


def test_policy_that_wants_no_witness_gives_signed() -> None:
    """A key from the policy is more than a node's word, and less than a quorum."""
    city = published()
    dataset = reader(Transport(city), policy=city.policy(0)).dataset(REF)

    assert Trust.SIGNED is dataset.verdict.trust


def test_first_key_is_remembered_and_another_refused(tmp_path: Path) -> None:
    """Trust on first use: the second visit checks with the first visit's key."""
    city, forger = published(), published()
    forger.signer = Signer.from_seed(city.origin, b"f" * 32, Kind.LOG)
    first = reader(Transport(city), memory=tmp_path).dataset(REF)
    second = reader(Transport(city), memory=tmp_path).dataset(REF)

    assert Trust.UNANCHORED is first.verdict.trust
    assert Trust.REMEMBERED is second.verdict.trust
    with pytest.raises(VerificationError) as caught:
        reader(Transport(forger), memory=tmp_path).dataset(REF)
    assert Reason.KEY_CHANGED is caught.value.reason


def test_first_log_of_a_city_is_remembered(tmp_path: Path) -> None:
    """Another log that claims a city met before is refused."""
    thief = City(slug="kerman", origin="rasht.example.ir/catalog")
    thief.publish()
    reader(Transport(published()), memory=tmp_path).dataset(REF)

    with pytest.raises(VerificationError) as caught:
        reader(Transport(thief), memory=tmp_path).dataset(REF)
    assert Reason.CITY_CLAIMED is caught.value.reason


def test_numbered_and_dated_versions() -> None:
    """A version is chosen by number, by a day of either calendar, or by an instant."""
    city = published()
    node = reader(Transport(city), policy=city.policy())

    assert 1 == node.dataset(REF, version=1).version
    assert 1 == node.dataset(REF, as_of="1404-11-19").version  # 8 February 2026
    assert 2 == node.dataset(REF, as_of="2026-02-09").version
    assert 1 == node.dataset(REF, as_of="2026-02-09T11:59:59Z").version
    with pytest.raises(NotFound) as caught:
        node.dataset(REF, as_of="2026-01-01")
    assert Reason.VERSION_UNKNOWN is caught.value.reason


def test_version_from_after_the_day_is_refused() -> None:
    """A node cannot answer a question about January with February's version."""
    city = published()
    transport = Transport(city)
    newest = city.record("budget-1404", 2), city.receipt("budget-1404", 2)
    transport.tamper["descriptor"] = lambda _: newest[0]
    transport.tamper["receipt"] = lambda _: newest[1]

    with pytest.raises(VerificationError) as caught:
        reader(transport, policy=city.policy()).dataset(REF, as_of="2026-02-02")
    assert "name" == caught.value.values["subject"]


def test_unknown_and_withdrawn_are_told_apart() -> None:
    """`NotFound` and `Withdrawn` are different errors, and carry their facts."""
    city = published()
    city.withdraw("budget-1404", 12)
    node = reader(Transport(city), policy=city.policy())

    with pytest.raises(NotFound):
        node.dataset("kerman/nothing")
    with pytest.raises(Withdrawn) as caught:
        node.dataset(REF)
    assert "error" == caught.value.values["cause"]
    assert 2 == node.dataset(REF, version=2).version  # still readable by number


@pytest.mark.parametrize("ref", ["kerman", "kerman/", "../x", "kerman/a/b", "شهر/x"])
def test_what_is_no_reference_never_becomes_an_address(ref: str) -> None:
    """Nothing is asked of a node for a text that is no reference."""
    transport = Transport(published())

    with pytest.raises(NotFound):
        reader(transport).dataset(ref)
    assert [] == transport.asked


def test_columns_and_where_read_ranges_and_say_so() -> None:
    """A part of a large table costs a part of its bytes, and is called "entry"."""
    city = City()
    city.publish(parts=[budget(20_000)])
    transport = Transport(city)
    dataset = reader(transport, policy=city.policy()).dataset(REF)
    table = dataset.table(
        columns=["line_code"], where=dataset.field("line_code") >= "019990"
    )
    size = len(next(iter(city.objects.values())))
    got = [r.removeprefix("bytes=").split("-") for r in transport.ranges]

    assert [f"{n:06}" for n in range(19_990, 20_000)] == table["line_code"].to_pylist()
    assert "entry" == dataset.provenance.verified
    assert ["ranges"] == [file.how for file in dataset.provenance.files]
    assert sum(int(end) - int(start) + 1 for start, end in got) < size / 2


def test_content_can_be_asked_for_with_a_condition() -> None:
    """`verify="content"` downloads first, and so may say "content"."""
    city = published()
    transport = Transport(city)
    dataset = reader(transport, policy=city.policy()).dataset(REF)
    table = dataset.table(columns=["line_code"], verify="content")

    assert ["line_code"] == table.column_names
    assert "content" == dataset.provenance.verified
    assert [] == transport.ranges


def test_ranges_need_no_network_for_what_is_in_the_cache(tmp_path: Path) -> None:
    """A file that was read whole serves conditions from the disk, verified."""
    city = published()
    transport = Transport(city)
    dataset = reader(transport, policy=city.policy(), cache=tmp_path).dataset(REF)
    dataset.table()
    asked = len(transport.asked)
    dataset.table(columns=["line_code"])

    assert asked == len(transport.asked)
    assert "content" == dataset.provenance.verified


def test_ranges_that_are_no_parquet_are_refused() -> None:
    """Bytes without a digest may be wrong; they end in an error, not in a crash."""
    city = City()
    city.publish(parts=[budget(20_000)])
    transport = Transport(city)
    dataset = reader(transport, policy=city.policy()).dataset(REF)
    transport.tamper["/object/"] = lambda data: data[:4] + bytes(len(data) - 4)

    with pytest.raises(VerificationError):
        dataset.table(columns=["line_code"])


def test_node_that_goes_away_between_ranges_is_a_network_error() -> None:
    """The error of the path passes through the Parquet reader as it is."""
    city = City()
    city.publish(parts=[budget(20_000)])
    transport = Transport(city)
    dataset = reader(transport, policy=city.policy()).dataset(REF)

    def fail_later(data: bytes) -> bytes:
        return _unreachable(data) if transport.ranges else data

    transport.tamper["/object/"] = fail_later
    with pytest.raises(NetworkError):
        dataset.table(columns=["line_code"])


def test_without_ranges_the_whole_file_is_checked() -> None:
    """Where a part cannot be had, the next node's whole file serves."""
    city = published()
    empty, full = Transport(city), Transport(city)
    empty.tamper["/object/"] = _unreachable
    dataset = reader(empty, full, policy=city.policy()).dataset(REF)

    assert 4 == dataset.table(columns=["line_code"]).num_rows
    assert "content" == dataset.provenance.verified


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["descriptor", "receipt", "/object/"]),
    st.floats(0, 0.999999),
    st.integers(1, 255),
)
def test_no_changed_byte_ever_reaches_the_reader(
    path: str, where: float, mask: int
) -> None:
    """Whatever byte is changed in whatever answer: refused, or without effect."""
    city = published()
    transport = Transport(city)

    def spoil(data: bytes) -> bytes:
        at = int(len(data) * where)
        return data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]

    transport.tamper[path] = spoil
    try:
        dataset = reader(transport, policy=city.policy()).dataset(REF)
        table = dataset.table()
    except VerificationError:
        return

    assert budget(4, step=2).equals(table.replace_schema_metadata(None))
    assert city.record("budget-1404", 2) == dataset.receipt().record


def test_unknown_column_is_named() -> None:
    """A misspelt column ends in a sentence with the right names."""
    dataset = reader(Transport(published())).dataset(REF)

    with pytest.raises(NotFound, match="line_code"):
        dataset.table(columns=["line_kode"])


def test_parts_come_in_their_order() -> None:
    """A table of several objects is one table, and each object is verified."""
    city = City()
    city.publish(parts=[budget(3), budget(5).slice(3)])
    dataset = reader(Transport(city), policy=city.policy()).dataset(REF)
    table = dataset.table()

    assert budget(5)["line_code"].to_pylist() == table["line_code"].to_pylist()
    assert 2 == len(dataset.provenance.files)


def test_next_node_serves_when_the_first_is_away() -> None:
    """A dead node costs time, not data; provenance says who answered."""
    city = published()
    away, there = Transport(city), Transport(city)
    away.tamper["/v1/"] = _unreachable
    dataset = reader(away, there, policy=city.policy()).dataset(REF)

    assert 4 == dataset.table().num_rows
    assert "https://b.example.ir" == dataset.provenance.node
    assert 1 == len(dataset.provenance.refused)


def _unreachable(_: bytes) -> bytes:
    """Fail as a lost connection does."""
    raise httpx2.ConnectError("refused")


def test_next_node_serves_when_the_first_lies() -> None:
    """A lie is passed over, and named; the honest node's bytes are used."""
    city = published()
    liar, honest = Transport(city), Transport(city)
    liar.tamper["/mirror/object/"] = flipped
    dataset = reader(liar, honest, policy=city.policy()).dataset(REF)

    assert 4 == dataset.table().num_rows
    assert "content" == dataset.provenance.verified


def test_all_nodes_lying_is_an_error_that_names_them() -> None:
    """When nobody's bytes verify, the reader gets none, and the names."""
    city = published()
    first, second = Transport(city), Transport(city)
    first.tamper["descriptor"] = second.tamper["descriptor"] = flipped

    with pytest.raises(VerificationError) as caught:
        reader(first, second, policy=city.policy()).dataset(REF)
    assert ["https://a.example.ir", "https://b.example.ir"] == [
        note.partition(": ")[0] for note in caught.value.__notes__
    ]


def test_nobody_answering_is_a_network_error() -> None:
    """`NetworkError` is for the path, not for the data."""
    city = published()
    away = Transport(city)
    away.tamper["/v1/"] = _unreachable

    with pytest.raises(NetworkError) as caught:
        reader(away, policy=city.policy()).dataset(REF)
    assert Reason.PEER_UNREACHABLE is caught.value.reason


def test_versions_are_listed() -> None:
    """The history is a list of numbers, times and digests, newest first."""
    city = published()
    dataset = reader(Transport(city), policy=city.policy()).dataset(REF)

    assert [2, 1] == [version.number for version in dataset.versions()]
    assert dataset.provenance.digest == dataset.versions()[0].digest


def test_diff_is_computed_from_verified_tables() -> None:
    """What changed is found here, and a lying node cannot hide a cell."""
    city = published()
    dataset = reader(Transport(city), policy=city.policy()).dataset(REF)
    found = dataset.diff(1, 2)
    cell = {"line_code": "000002", "column": "approved_rial"}
    cell |= {"old": "2000000000000", "new": "4000000000000"}

    assert {"added": 1, "removed": 0, "changed": 1} == found.counts
    assert [cell] == found.changed.to_pylist()
    assert {"added": 3, "removed": 0, "changed": 0} == dataset.diff(0, 1).counts


def test_diff_skips_equal_parts() -> None:
    """A part of one digest on both sides is not compared row by row."""
    city = City()
    city.publish(parts=[budget(3), budget(6).slice(3)])
    city.publish(parts=[budget(3), budget(7).slice(3)], day=2)
    dataset = reader(Transport(city), policy=city.policy()).dataset(REF)

    assert {"added": 1, "removed": 0, "changed": 0} == dataset.diff(1, 2).counts


def test_search_pages_to_the_end() -> None:
    """A list is read page by page, and each hit says who listed it."""
    city = published()
    city.publish("trees", day=3)
    city.publish("parks", day=3)
    hits = list(reader(Transport(city)).search("بودجه", fiscal_year=1404))

    assert ["budget-1404", "parks", "trees"] == [h.ref.split("/")[1] for h in hits]
    assert "بودجهٔ ۱۴۰۴" == hits[0].title.fa
    assert {"https://a.example.ir"} == {hit.node for hit in hits}


def test_family_is_one_table_with_its_inputs() -> None:
    """Rows of all cities say where they come from; who has nothing is missing."""
    kerman, rasht = published(), City("rasht", "rasht.example.ir/catalog")
    rasht.publish("budget-1404", [budget(2)])
    both = Policy.of([kerman.signer.verifier, rasht.signer.verifier], {}, 0)
    node = reader(Transport(kerman, rasht), policy=both)
    union = node.family("budget_lines").table(cities=["kerman", "rasht", "qom"])

    assert {"kerman": 4, "rasht": 2} == {
        city: union.table["_city"].to_pylist().count(city)
        for city in ("kerman", "rasht")
    }
    assert [(REF, 2), ("rasht/budget-1404", 1)] == [
        (used.ref, used.version) for used in union.inputs
    ]
    assert ("qom",) == union.missing
    assert 64 == len(union.inputs_digest)
    assert 6 == pa.table(union).num_rows


def test_family_as_of_a_day_leaves_out_the_later_ones() -> None:
    """A cross-city figure of a day uses what was published by then."""
    kerman, rasht = published(), City("rasht", "rasht.example.ir/catalog")
    rasht.publish("budget-1404", [budget(2)], day=20)
    both = Policy.of([kerman.signer.verifier, rasht.signer.verifier], {}, 0)
    node = reader(Transport(kerman, rasht), policy=both)
    union = node.family("budget_lines").table(as_of="2026-02-02")

    assert [(REF, 1)] == [(used.ref, used.version) for used in union.inputs]
    assert ["rasht/budget-1404"] == [out.ref for out in union.excluded]
