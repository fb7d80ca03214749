"""`shahrdad validate` of files that lie elsewhere: the web, guarded, and the store."""

import gzip
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.cli import main, unusable_words_said
from shahrdad.node.incoming.fetched_file import local_file

CSV = b"id,name\n1,a\n"


class Files(BaseHTTPRequestHandler):
    """Serves one file, packed."""

    def do_GET(self) -> None:
        """Answer with the file."""
        body = gzip.compress(CSV, mtime=0)
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def served() -> Iterator[str]:
    """Return the address of a server on this computer."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/files/%DB%B1.csv.gz"
    server.shutdown()
    thread.join()
    server.server_close()


def configured(folder: Path, more: str = "") -> Path:
    """Return a configuration."""
    config = folder / "shahrdad.toml"
    config.write_text(f"[federation]\n{more}\n", "utf-8")
    return config


def test_path_is_taken_as_it_is(tmp_path: Path) -> None:
    """A file of this computer is read where it lies; one that is not there is said."""
    path = tmp_path / "a.csv"
    path.write_bytes(CSV)
    with local_file(str(path)) as found:
        assert path == found
    with pytest.raises(RequestError) as caught, local_file("nowhere.csv"):
        pass

    assert Reason.FILE_NOT_FOUND == caught.value.reason


def test_web_file_is_fetched_and_removed(served: str, tmp_path: Path) -> None:
    """A file of an allowed network is fetched under its own name; the copy goes."""
    config = configured(tmp_path, 'allow_private = ["127.0.0.0/8"]')
    with local_file(served, config) as found:
        assert "۱.csv.gz" == found.name
        assert CSV == gzip.decompress(found.read_bytes())

    assert not found.parent.exists()


def test_web_address_leads_into_no_private_network(served: str) -> None:
    """Without permission the local network is not dialled."""
    with pytest.raises(RequestError) as caught, local_file(served):
        pass

    assert Reason.ADDRESS_REFUSED == caught.value.reason


def test_object_is_read_from_the_store(tmp_path: Path) -> None:
    """An object of the node's store is read by its hash; another one is not held."""
    from shahrdad.node.config import load
    from shahrdad.node.configured_store import settings_of
    from shahrdad.node.store.contract import Area, put_bytes
    from shahrdad.node.store.opening import open_store

    config = configured(tmp_path)
    digest = put_bytes(open_store(settings_of(load(config))), Area.OBJECT, CSV)
    with local_file(f"sha256:{digest}", config) as found:
        assert CSV == found.read_bytes()
    with (
        pytest.raises(RequestError) as caught,
        local_file("sha256:" + "0" * 64, config),
    ):
        pass

    assert Reason.OBJECT_NOT_HELD == caught.value.reason


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (["--standard", "nothing"], "STANDARD_UNKNOWN", 2),
        (["--schema", "nofile.json"], "FILE_NOT_FOUND", 5),
        (["--schema", "a.csv"], "JSON_SYNTAX", 2),
        (["--schema", "list.json"], "JSON_SYNTAX", 2),
        (["--schema", "k" * 300], "PATH_REFUSED", 2),
        (["--standard", "projects", "--html", "no/such/folder"], "PATH_REFUSED", 2),
        ([], "SCHEMA_NEEDED", 2),
    ],
)
def test_wrong_words_are_said_in_a_sentence(
    words: list[str],
    said: str,
    code: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A name mistyped, a file of another kind, a folder that is not there."""
    (tmp_path / "a.csv").write_bytes(CSV)
    (tmp_path / "list.json").write_text("[]")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["shahrdad", "validate", "a.csv", *words])

    with pytest.raises(SystemExit) as ended:
        main()

    assert code == ended.value.code
    assert f"({said})" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("unusable", "reason", "said"),
    [
        (lambda: "kerman/\udce3".encode(), Reason.WORD_NOT_TEXT, "kerman/\\udce3"),
        (lambda: timedelta(hours=10**20), Reason.NUMBER_TOO_LARGE, "too large"),
        (lambda: Path("/proc/nothing").write_text(""), Reason.PATH_REFUSED, "/proc/n"),
    ],
)
def test_words_of_no_use_are_said(
    unusable: Callable[[], object], reason: Reason, said: str
) -> None:
    """Whoever stumbles over a word, a database or the system: a sentence tells it."""
    with pytest.raises(RequestError) as caught, unusable_words_said():
        unusable()

    assert reason is caught.value.reason
    assert said in caught.value.text("en")
