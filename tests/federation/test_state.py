"""Live keys follow the entries, in index order."""

from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.digest import Digest
from shahrdad.federation.verify.growth import grow
from shahrdad.federation.verify.state import LiveEntry, apply, state_digest
from shahrdad.federation.verify.tree import Frontier

ORIGIN = "kerman.example.ir/catalog"
TIME = "2026-11-22T09:00:00Z"
ONE, TWO = Digest.of(b"1"), Digest.of(b"2")


def live_after(*raws: bytes) -> dict[str, LiveEntry]:
    """Return the live keys after some entries."""
    live: dict[str, LiveEntry] = {}
    for entry in grow(Frontier(), raws, ORIGIN).entries:
        if entry is not None:
            apply(live, entry)
    return live


def put(key: str, digest: Digest) -> bytes:
    """Return a put; a wrong `prev` is a warning at most."""
    return entries.put(key, prev=None, digest=digest, size=1, time=TIME)


def test_put_sets_and_delete_removes() -> None:
    """The newest put of a key counts, until a delete."""
    live = live_after(
        put("ds/a", ONE),
        put("ds/b", ONE),
        put("ds/a", TWO),
        entries.delete("ds/b", prev=1, time=TIME, reason="withdrawn"),
        entries.delete("ds/c", prev=None, time=TIME, reason="error"),
    )

    assert {"ds/a": LiveEntry(2, TWO)} == live


def test_redaction_does_not_change_what_is_live() -> None:
    """It removes a body; a put or a delete follows it."""
    before = live_after(put("ds/a", ONE))
    after = live_after(
        put("ds/a", ONE), entries.redact(ONE, time=TIME, reason="privacy")
    )

    assert before == after


def test_entry_that_must_not_be_applied_is_passed_over() -> None:
    """A bad entry has an index and a leaf, and changes nothing."""
    live = live_after(b"no JSON", put("ds/a", ONE), b'{"v":2,"op":"put"}')

    assert {"ds/a": LiveEntry(1, ONE)} == live


def test_state_digest_tells_key_index_and_version() -> None:
    """Lines in byte order: `key SP index SP sha256 LF`."""
    live = {"ds/b": LiveEntry(7, TWO), "ds/a-b": LiveEntry(3, ONE)}

    assert Digest.of(f"ds/a-b 3 {ONE}\nds/b 7 {TWO}\n".encode()) == state_digest(live)
    assert state_digest(live) == state_digest(dict(reversed(live.items())))
    assert state_digest(live) != state_digest({**live, "ds/b": LiveEntry(8, TWO)})
