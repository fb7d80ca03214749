"""Reading a static mirror: a folder, a ZIP or a web server, with no node behind it."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from client_city import City, Transport, budget, flipped, mirror, write_mirror
from shahrdad.client import (
    NotFound,
    Trust,
    VerificationError,
    Withdrawn,
    connect,
)
from shahrdad.client.cache import Cache
from shahrdad.client.library import Library
from shahrdad.client.mirror_files import WebFiles
from shahrdad.client.node import Node
from shahrdad.client.static_source import StaticSource
from shahrdad.client.trust import Anchor
from shahrdad.client.web import Web
from shahrdad.datasets.errors import Reason
from shahrdad.federation.verify import entry
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.policy import Policy
from shared_data import SHARED, needs_shared

REF = "kerman/budget-1404"


def published() -> City:
    """Return a city with two versions of a budget, and trees that were withdrawn."""
    city = City()
    city.publish(day=1)
    city.publish("trees", day=2)
    city.publish(parts=[budget(4, step=2)], day=9)
    city.withdraw("trees", 10)
    return city


def folder_of(tmp_path: Path, *cities: City) -> str:
    """Return a mirror as a folder."""
    return str(write_mirror(tmp_path / "mirror", *cities))


def address_of(tmp_path: Path, *cities: City) -> str:
    """Return a mirror as a file address."""
    return write_mirror(tmp_path / "mirror of شهر", *cities).as_uri()


def zip_of(tmp_path: Path, *cities: City) -> str:
    """Return a mirror as a bundle, in a folder of its own."""
    path = tmp_path / "bundle.zip"
    with zipfile.ZipFile(path, "w") as bundle:
        for name, data in mirror(*cities).items():
            bundle.writestr(f"kerman/{name}", data)
    return str(path)


@pytest.mark.parametrize("place", [folder_of, address_of, zip_of])
def test_mirror_is_read_and_confirmed(
    place: Callable[..., str], tmp_path: Path
) -> None:
    """A stick, a folder and a bundle serve verified tables without any network."""
    city = published()
    with connect(place(tmp_path, city), policy=city.policy(), cache=False) as node:
        dataset = node.dataset(REF)
        table = dataset.table(columns=["line_code"])

    assert ["000000", "000001", "000002", "000003"] == table["line_code"].to_pylist()
    assert Trust.CONFIRMED is dataset.verdict.trust
    assert ("log", "content") == (
        dataset.provenance.selection,
        dataset.provenance.verified,
    )


def test_web_server_serves_a_mirror_by_ranges() -> None:
    """A plain web server is enough; a part of a table is then called "entry"."""
    city = published()
    web = Web("https://a.example.ir/mirror", transport=Transport(city))
    source = StaticSource(WebFiles(web))
    dataset = Node(Library([source], Anchor(city.policy()), Cache(None))).dataset(REF)

    part = dataset.table(columns=["line_code"])
    by_ranges = dataset.provenance.verified
    whole = dataset.table()

    assert (4, "entry") == (part.num_rows, by_ranges)
    assert (4, "content") == (whole.num_rows, dataset.provenance.verified)


def test_history_is_the_log(tmp_path: Path) -> None:
    """Versions, days and withdrawals are read from the replayed log itself."""
    city = published()
    node = connect(folder_of(tmp_path, city), policy=city.policy(), cache=False)

    assert [2, 1] == [version.number for version in node.dataset(REF).versions()]
    assert 1 == node.dataset(REF, as_of="2026-02-08").version
    assert 1 == node.dataset("kerman/trees", as_of="2026-02-09").version
    with pytest.raises(Withdrawn) as caught:
        node.dataset("kerman/trees")
    assert "2026-02-10T12:00:00Z" == caught.value.values["time"]
    with pytest.raises(NotFound) as unknown:
        node.dataset(REF, version=3)
    assert Reason.VERSION_UNKNOWN is unknown.value.reason


def test_lists_and_changes(tmp_path: Path) -> None:
    """Search reads the records; a cursor of `changes` goes on behind it."""
    city = published()
    node = connect(folder_of(tmp_path, city), policy=city.policy(), cache=False)
    changes = list(node.changes())

    assert [REF] == [hit.ref for hit in node.search("بودجه 1404")]
    assert [] == list(node.search("درخت"))
    assert ["kerman/trees"] == [hit.ref for hit in node.search(withdrawn=True)]
    assert ["put", "put", "put", "delete"] == [change.op for change in changes]
    assert [1, 1, 2, None] == [change.version for change in changes]
    assert changes[2:] == list(node.changes(after=changes[1].cursor))
    assert [] == list(node.changes(after=changes[-1].cursor))


@pytest.mark.parametrize(
    ("part", "subject"),
    [
        ("tile/entries/", "BAD_PROOF"),
        ("/tile/0/", "inclusion"),
        ("object/", "file"),
    ],
)
def test_one_changed_bit_is_refused(part: str, subject: str, tmp_path: Path) -> None:
    """A mirror that was touched is refused, wherever it was."""
    city = published()
    folder = write_mirror(tmp_path, city)
    for path in folder.rglob("*"):
        if path.is_file() and part in path.as_posix():
            path.write_bytes(flipped(path.read_bytes()))

    with pytest.raises(VerificationError) as caught:
        connect(folder, policy=city.policy(), cache=False).dataset(REF).table()
    assert subject in {caught.value.reason, caught.value.values["subject"]}


def test_changed_record_counts_as_absent(tmp_path: Path) -> None:
    """A record that is not what its name says is no record."""
    city = published()
    folder = write_mirror(tmp_path, city)
    digest = Digest.of(city.record("budget-1404", 2))
    (folder / f"body/{digest.hex[:2]}/{digest}").write_bytes(b"{}")

    with pytest.raises(NotFound) as caught:
        connect(folder, policy=city.policy(), cache=False).dataset(REF)
    assert Reason.NOT_OFFERED is caught.value.reason


def test_hidden_version_is_refused(tmp_path: Path) -> None:
    """A mirror cannot leave the newest entry out and keep the checkpoint."""
    city = published()
    folder = write_mirror(tmp_path, city)
    bundle = next(folder.rglob("tile/entries/*/*"))
    kept = bundle.read_bytes()
    length = int.from_bytes(kept[:2], "big")
    bundle.write_bytes(kept[: length + 2] * len(city.entries))

    with pytest.raises(VerificationError):
        connect(folder, policy=city.policy(), cache=False).dataset(REF)


def test_checkpoint_without_a_known_signature_is_refused(tmp_path: Path) -> None:
    """A mirror needs a policy, or a member log of its own, that names the keys."""
    folder = write_mirror(tmp_path, published())

    with pytest.raises(VerificationError) as caught:
        connect(folder, cache=False).dataset(REF)
    assert Reason.KEY_ABSENT is caught.value.reason


def test_keys_of_a_member_log_in_the_mirror_are_not_called_anchored(
    tmp_path: Path,
) -> None:
    """A bundle that carries the members is readable, and no more than that."""
    city, forum = published(), City("forum", "forum.example.ir/members")
    statement = {"logs": [{"origin": city.origin, "keys": [{"vkey": ""}]}]}
    statement["logs"][0]["keys"] = [{"vkey": city.signer.vkey}]
    body = b"shahrdad/member@v1\n" + json.dumps(statement).encode() + b"\n"
    digest = Digest.of(body)
    forum.bodies[digest] = body
    forum.entries.append(
        entry.put(
            "city/kerman",
            prev=None,
            digest=digest,
            size=len(body),
            time="2026-01-02T00:00:00Z",
        )
    )
    node = connect(write_mirror(tmp_path, city, forum), cache=False)

    assert Trust.UNANCHORED is node.dataset(REF).verdict.trust


def test_full_tile_serves_an_older_checkpoint(tmp_path: Path) -> None:
    """A reader of a partial tile that is gone takes the prefix of the full one."""
    city = published()
    for n in range(200):
        city.publish(f"set-{n}", day=3)
    checkpoint = city.checkpoint()
    for n in range(200, 300):
        city.publish(f"set-{n}", day=4)
    folder = write_mirror(tmp_path, city)
    next(folder.rglob("checkpoint")).write_bytes(checkpoint)
    node = connect(folder, policy=city.policy(), cache=False)

    assert Trust.CONFIRMED is node.dataset("kerman/set-199").verdict.trust
    with pytest.raises(NotFound):
        node.dataset("kerman/set-200")


def test_epochs_of_a_city_are_one_history(tmp_path: Path) -> None:
    """After a new log the version numbers go on."""
    first = published()
    last = entry.After(first.origin, len(first.entries), Digest.of(b"root"))
    second = City(origin="kerman.example.ir/catalog/2", after=last)
    second.publish(version=3, day=15)
    keys = [first.signer.verifier, second.signer.verifier]
    node = connect(
        write_mirror(tmp_path, second, first),
        policy=Policy.of(keys, {}, 0),
        cache=False,
    )

    assert 3 == node.dataset(REF).version
    assert 2 == node.dataset(REF, version=2).version
    assert second.origin == node.dataset(REF).provenance.origin


def test_two_logs_that_claim_a_city_are_refused(tmp_path: Path) -> None:
    """Who speaks for a city is not for two logs to say; `cities=` decides it."""
    city, thief = published(), City(origin="rasht.example.ir/catalog")
    thief.publish()
    keys = [city.signer.verifier, thief.signer.verifier]
    folder, policy = write_mirror(tmp_path, city, thief), Policy.of(keys, {}, 0)

    with pytest.raises(VerificationError) as caught:
        connect(folder, policy=policy, cache=False).dataset(REF)
    assert Reason.CITY_CLAIMED is caught.value.reason
    node = connect(folder, policy=policy, cities={"kerman": city.origin}, cache=False)
    assert city.origin == node.dataset(REF).provenance.origin


def test_redacted_version_says_so(tmp_path: Path) -> None:
    """A removed record is named as removed, not as missing."""
    city = published()
    city.redact(Digest.of(city.record("budget-1404", 1)), 20)
    node = connect(write_mirror(tmp_path, city), policy=city.policy(), cache=False)

    with pytest.raises(Withdrawn) as caught:
        node.dataset(REF, version=1)
    assert Reason.VERSION_REDACTED is caught.value.reason
    assert 2 == node.dataset(REF).version


def test_mirror_makes_no_other_format(tmp_path: Path) -> None:
    """What only a node makes is refused with a reason, and CSV is written here."""
    city = published()
    node = connect(
        write_mirror(tmp_path / "m", city), policy=city.policy(), cache=False
    )
    dataset = node.dataset(REF)

    with pytest.raises(NotFound) as caught:
        dataset.save(tmp_path, ["xlsx"])
    assert Reason.NOT_OFFERED is caught.value.reason
    assert dataset.save(tmp_path, ["csv"])[0].read_bytes().startswith(b"line_code,")


@pytest.mark.parametrize("name", ["nothing", "empty"])
def test_place_that_is_no_mirror(name: str, tmp_path: Path) -> None:
    """A wrong path ends in a sentence, at once."""
    (tmp_path / "empty").mkdir()

    with pytest.raises(NotFound) as caught:
        connect(tmp_path / name)
    assert Reason.PLACE_UNKNOWN is caught.value.reason


def test_bundle_that_is_no_zip(tmp_path: Path) -> None:
    """A file that is no bundle is refused before anything is read from it."""
    (tmp_path / "a.zip").write_bytes(b"not a zip")

    with pytest.raises(VerificationError):
        connect(tmp_path / "a.zip")


@needs_shared
def test_worked_example_is_read() -> None:
    """The mirror of the published vectors opens with its own keys."""
    worked = json.loads((SHARED / "vectors/worked/worked.json").read_bytes())
    lines = [f"log {worked['keys']['kerman.example.ir/catalog']['vkey']}"]
    lines += [
        f"witness {city} {worked['keys'][f'{city}.example.ir/witness']['vkey']}"
        for city in ("shiraz", "mashhad")
    ]
    lines += ["group cities 2 shiraz mashhad", "quorum cities", ""]
    node = connect(
        SHARED / "vectors/worked/static", policy="\n".join(lines).encode(), cache=False
    )
    changes = list(node.changes())

    assert ["put", "put", "put", "delete"] == [change.op for change in changes]
