"""Every bound of a reader, at the bound and one above it."""

import zipfile
from pathlib import Path

import pytest

from client_city import City, Transport, mirror, reader, sent, write_mirror
from shahrdad.client import NotFound, VerificationError, connect, limits, verify
from shahrdad.client.mirror_files import FolderFiles
from shahrdad.client.trust import read_policy
from shahrdad.client.web import Web
from shahrdad.datasets.errors import Reason
from shahrdad.federation.verify.tile import MirrorPath

REF = "kerman/budget-1404"


def published() -> City:
    """Return a city with one dataset."""
    city = City()
    city.publish()
    return city


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("RECORD_BYTES_MAX", "descriptor"),
        ("RECEIPT_BYTES_MAX", "receipt"),
        ("JSON_BYTES_MAX", "/v1/datasets/kerman/budget-1404"),
    ],
)
def test_answers_of_a_node(
    name: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer as long as the bound is read; one byte more is refused."""
    city = published()
    transport, lengths = Transport(city), list[int]()

    def measure(data: bytes) -> bytes:
        lengths.append(len(data))
        return data

    transport.tamper[path] = measure
    reader(transport, policy=city.policy()).dataset(REF)
    longest = max(lengths) if path != "/v1/datasets/kerman/budget-1404" else lengths[0]

    monkeypatch.setattr(limits, name, longest)
    assert reader(transport, policy=city.policy()).dataset(REF)
    monkeypatch.setattr(limits, name, longest - 1)
    with pytest.raises(VerificationError) as caught:
        reader(transport, policy=city.policy()).dataset(REF)
    assert Reason.TOO_LARGE is caught.value.reason


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("HEADS_BYTES_MAX", "heads"),
        ("RECEIPT_BYTES_MAX", "checkpoint"),
        ("TILE_BYTES_MAX", "tile/entries/000.p/2"),
    ],
)
def test_files_of_a_mirror(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file as long as the bound is read; one byte more is refused."""
    city = published()
    length = next(len(data) for n, data in mirror(city).items() if n.endswith(file))
    folder = write_mirror(tmp_path, city)

    monkeypatch.setattr(limits, name, length)
    assert [REF] == [hit.ref for hit in connect(folder).datasets()]
    monkeypatch.setattr(limits, name, length - 1)
    with pytest.raises(VerificationError) as caught:
        list(connect(folder).datasets())
    assert Reason.TOO_LARGE is caught.value.reason


def test_entries_of_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A log as long as the bound is replayed; a longer one is not begun."""
    folder = write_mirror(tmp_path, published())

    monkeypatch.setattr(limits, "LOG_ENTRIES_MAX", 2)
    assert 1 == len(list(connect(folder).datasets()))
    monkeypatch.setattr(limits, "LOG_ENTRIES_MAX", 1)
    with pytest.raises(VerificationError):
        list(connect(folder).datasets())


@pytest.mark.parametrize("name", ["ZIP_FILES_MAX", "ZIP_DIRECTORY_BYTES_MAX"])
def test_bundles(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle is bounded before its list of files is in memory."""
    files = mirror(published())
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as bundle:
        for file, data in files.items():
            bundle.writestr(file, data)
    directory = sum(46 + len(file) for file in files)
    exact = {"ZIP_FILES_MAX": len(files), "ZIP_DIRECTORY_BYTES_MAX": directory}[name]

    monkeypatch.setattr(limits, name, exact)
    connect(path).close()
    monkeypatch.setattr(limits, name, exact - 1)
    with pytest.raises(VerificationError):
        connect(path)


def test_file_of_a_zip_is_cut_while_it_inflates(tmp_path: Path) -> None:
    """A member that inflates without end is stopped at its bound."""
    city = published()
    files = mirror(city) | {"heads": b"\0" * 10_000_000}
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for file, data in files.items():
            bundle.writestr(file, data)

    with pytest.raises(VerificationError) as caught:
        list(connect(path).datasets())
    assert limits.HEADS_BYTES_MAX + 1 == caught.value.values["size_bytes"]


def test_object_is_as_long_as_its_record_says() -> None:
    """A node cannot send more than the record announces, nor less."""
    city = published()
    for spoil in (lambda data: data + b"x", lambda data: data[:-1]):
        transport = Transport(city)
        transport.tamper["/object/"] = spoil
        dataset = reader(transport, policy=city.policy()).dataset(REF)

        with pytest.raises(VerificationError):
            dataset.table()


def test_policy_and_offline_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that a person names are bounded too."""
    city = published()
    policy = tmp_path / "forum.policy"
    policy.write_bytes(city.policy().text())
    length = policy.stat().st_size

    monkeypatch.setattr(limits, "POLICY_BYTES_MAX", length)
    assert city.policy() == read_policy(policy)
    monkeypatch.setattr(limits, "POLICY_BYTES_MAX", length - 1)
    with pytest.raises(NotFound):
        read_policy(policy)
    (tmp_path / "r").write_bytes(bytes(limits.RECEIPT_BYTES_MAX + 1))
    with pytest.raises(NotFound):
        verify(policy, receipt=tmp_path / "r")


def test_waiting_is_bounded() -> None:
    """A node is never asked to hold a question longer than proxies allow."""
    asked: list[str | None] = []
    transport = Transport(City())
    transport.failures = [sent(200, b'{"items":[],"next_cursor":"e:0"}')]
    handle = transport.handle_request

    def note(request):  # type: ignore[no-untyped-def]
        asked.append(request.url.params.get("wait"))
        return handle(request)

    transport.handle_request = note  # type: ignore[method-assign]
    assert [] == list(reader(transport).changes(wait_seconds=600))

    assert [str(limits.WAIT_SECONDS_MAX)] == asked


def test_time_outs_are_those_of_the_interface() -> None:
    """10 seconds to connect, 60 to hear something."""
    web = Web("https://a.example.ir")
    timeout = web._client.timeout
    web.close()

    assert (10.0, 60.0) == (timeout.connect, timeout.read)


def test_folder_at_the_limit(tmp_path: Path) -> None:
    """The bound of one file is inclusive."""
    (tmp_path / "heads").write_bytes(b"12345")
    files = FolderFiles(tmp_path)

    assert b"12345" == files.read(MirrorPath.heads(), 5)
    with pytest.raises(VerificationError):
        files.read(MirrorPath.heads(), 4)
