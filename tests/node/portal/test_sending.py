"""A file that a form without scripts sends: judged by its digest, never kept."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from http_world import World
from portal_world import parquet


@pytest.fixture
def published(world: World) -> Path:
    """A file as its city published it."""
    return Path(parquet(world, "kerman/projects", 1))


def test_a_sent_file_is_found(client: TestClient, published: Path) -> None:
    """The file itself leads to the version that names it; another one to nothing."""
    content = published.read_bytes()
    found = client.post("/en/verify/file", files={"file": ("a.parquet", content)})
    other = client.post(
        "/en/verify/file", files={"file": ("a.parquet", content[:-1] + b"x")}
    )

    assert "kerman/projects/v/1" in found.text
    assert "No version published" in other.text


def test_a_sent_file_is_not_kept(
    client: TestClient, world: World, published: Path
) -> None:
    """Nothing is written anywhere when a file is verified."""

    def files() -> set[Path]:
        return {path for path in world.store.root.rglob("*") if path.is_file()}

    before = files()
    client.post(
        "/fa/verify/file", files={"file": ("a", published.read_bytes() + b"private")}
    )

    assert before == files()


def test_an_empty_choice_is_told(client: TestClient) -> None:
    """A form without a file shows the doors again, and no verdict."""
    answer = client.post("/en/verify/file", files={"file": ("", b"")})

    assert 200 == answer.status_code
    assert "It holds" not in answer.text


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """A small bound for the whole form."""
    bound = 2_000
    monkeypatch.setattr("shahrdad.node.http.portal.sending.FILE_BYTES_MAX", bound)
    return bound


@pytest.mark.parametrize(("over", "status"), [(0, 200), (1, 413)])
def test_forms_are_bounded(
    client: TestClient, small: int, over: int, status: int
) -> None:
    """A form at the bound is read, one byte more is refused."""
    edge = "edge"
    head = (
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    ).encode()
    tail = f"\r\n--{edge}--\r\n".encode()
    content = b"x" * (small - len(head) - len(tail) + over)
    answer = client.post(
        "/en/verify/file",
        content=head + content + tail,
        headers={"Content-Type": f"multipart/form-data; boundary={edge}"},
    )

    assert status == answer.status_code


@pytest.mark.parametrize(("size", "status"), [(300, 200), (301, 413)])
def test_fields_are_bounded(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, size: int, status: int
) -> None:
    """A field beside the file has a bound of its own."""
    monkeypatch.setattr("shahrdad.node.http.portal.sending.FIELD_BYTES_MAX", 300)
    answer = client.post(
        "/en/verify/file",
        data={"other": "x" * size},
        files={"file": ("", b"")},
    )

    assert status == answer.status_code


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/plain", b"hello"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=edge", b"--other\r\n\r\nx"),
    ],
)
def test_what_is_no_form_is_refused(
    client: TestClient, kind: str, content: bytes
) -> None:
    """Another type, no boundary or a wrong one is told as malformed."""
    answer = client.post(
        "/en/verify/file", content=content, headers={"Content-Type": kind}
    )

    assert answer.status_code in {400, 422}
