"""Signed notes and their keys: known lines count, and anything unclear is refused."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from log_world import SECONDS, make_signer
from shahrdad.datasets.errors import PeerError, Reason, RequestError
from shahrdad.federation.limits import (
    COSIGNATURE_AHEAD_SECONDS_MAX,
    NOTE_BYTES_MAX,
    SIGNATURE_LINES_MAX,
)
from shahrdad.federation.verify.note import (
    Kind,
    Signature,
    Signer,
    Verifier,
    join,
    open_note,
    split,
)

LOG = make_signer("kerman.example.ir/catalog")
WITNESS = make_signer("shiraz.example.ir/witness", Kind.WITNESS)
STRANGER = make_signer("stranger.example/log")
TEXT = "kerman.example.ir/catalog\n\nany text\n"
NOTE = join(TEXT, [LOG.sign(TEXT), WITNESS.sign(TEXT, seconds=SECONDS)])
KEYS = [LOG.verifier, WITNESS.verifier]


def refusal(note: bytes, *, now: int | None = None) -> Reason:
    """Return why a note is refused."""
    with pytest.raises(PeerError) as caught:
        open_note(note, KEYS, now=now)
    return caught.value.reason


def test_known_lines_are_verified_and_unknown_ones_left_out() -> None:
    """What was not verified is never stored or passed on."""
    note = join(TEXT, [STRANGER.sign(TEXT), *split(NOTE)[1]])

    opened = open_note(note, KEYS)

    assert TEXT == opened.text
    assert [LOG.name, WITNESS.name] == [line.name for line in opened.signatures]
    assert NOTE == join(opened.text, opened.signatures)


def test_text_ends_at_the_last_blank_line() -> None:
    """A text may hold blank lines itself."""
    assert TEXT == split(NOTE)[0]


def test_known_line_that_fails_refuses_the_whole_note() -> None:
    """Even when another known line holds."""
    wrong = LOG.sign("another text\n")

    reason = refusal(join(TEXT, [wrong, WITNESS.sign(TEXT, seconds=SECONDS)]))

    assert Reason.BAD_SIGNATURE is reason


def test_second_line_of_a_known_key_refuses_the_note() -> None:
    """Two dates of one witness in one note leave open which one counts."""
    lines = [
        LOG.sign(TEXT),
        WITNESS.sign(TEXT, seconds=SECONDS),
        WITNESS.sign(TEXT, seconds=SECONDS + 1),
    ]

    assert Reason.BAD_SIGNATURE is refusal(join(TEXT, lines))


def test_note_without_a_known_line_is_refused() -> None:
    """Anybody can sign anything."""
    assert Reason.BAD_SIGNATURE is refusal(join(TEXT, [STRANGER.sign(TEXT)]))


def test_key_of_the_same_name_is_another_key() -> None:
    """Name and key id together make a line known."""
    twin = Signer.from_seed(LOG.name, bytes(32), Kind.LOG)

    assert Reason.BAD_SIGNATURE is refusal(join(TEXT, [twin.sign(TEXT)]))
    assert 1 == len(
        open_note(join(TEXT, [twin.sign(TEXT), LOG.sign(TEXT)]), KEYS).signatures
    )


@pytest.mark.parametrize(("ahead", "lines"), [(0, 2), (1, 1)])
def test_cosignature_from_the_future_does_not_count(ahead: int, lines: int) -> None:
    """Ten minutes are let pass, as clocks differ; it is no error."""
    now = SECONDS - COSIGNATURE_AHEAD_SECONDS_MAX - ahead

    assert lines == len(open_note(NOTE, KEYS, now=now).signatures)


def test_note_with_nothing_but_a_future_cosignature_is_refused() -> None:
    """Then no known signature is left."""
    note = join(TEXT, [WITNESS.sign(TEXT, seconds=SECONDS)])

    assert Reason.BAD_SIGNATURE is refusal(note, now=0)


def test_cosignature_dates_are_signed() -> None:
    """Nobody can make a cosignature look fresher."""
    line = WITNESS.sign(TEXT, seconds=SECONDS)
    later = (SECONDS + 1).to_bytes(8, "big") + line.payload[8:]
    forged = Signature(line.name, line.key_id, later)

    assert Reason.BAD_SIGNATURE is refusal(join(TEXT, [LOG.sign(TEXT), forged]))


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"text\n",
        b"text\n\n",
        NOTE[:-1],
        NOTE + b"\n",
        NOTE.replace(b"\n\n\xe2\x80\x94", b"\n\xe2\x80\x94"),
        NOTE.replace(b"any text", b"any\ttext"),
        NOTE.replace(b"any text", b"any text\r"),
        NOTE.replace(b"any text", b"any\0text"),
        NOTE.replace(b"any text", b"any \xff text"),
        NOTE.replace(b"\xe2\x80\x94", b"-"),
        NOTE + "\u2014 name with spaces AAAAAAAA\n".encode(),
        NOTE + "\u2014 name+plus AAAAAAAA\n".encode(),
        NOTE + "\u2014 name AAAA\n".encode(),
        NOTE + "\u2014 name A*AAAAAA\n".encode(),
        NOTE + "\u2014 name\n".encode(),
    ],
    ids=lambda note: repr(note[-24:]),
)
def test_note_that_is_no_note_is_refused(note: bytes) -> None:
    """Control characters, lost line feeds and lines that are no signature lines."""
    assert Reason.MALFORMED is refusal(note)


def test_most_signature_lines_are_accepted_and_one_more_is_not() -> None:
    """32 lines."""
    unknown = [
        Signature(f"n{number}", bytes(4), bytes(64))
        for number in range(SIGNATURE_LINES_MAX)
    ]
    assert open_note(join(TEXT, [LOG.sign(TEXT), *unknown[1:]]), KEYS)

    assert Reason.MALFORMED is refusal(join(TEXT, [LOG.sign(TEXT), *unknown]))


def test_longest_note_is_accepted_and_the_next_is_not() -> None:
    """64 KiB."""

    def padded(extra: int) -> bytes:
        line = LOG.sign("x\n")
        length = NOTE_BYTES_MAX - len(line.line().encode()) - 2 + extra
        text = "x" * length + "\n"
        return join(text, [LOG.sign(text)])

    assert NOTE_BYTES_MAX == len(padded(0))
    assert open_note(padded(0), KEYS)
    assert Reason.TOO_LARGE is refusal(padded(1))


def test_signature_lines_are_read_leniently_and_written_anew() -> None:
    """Stray trailing bits of base64 do not survive a re-assembled note."""
    line = LOG.sign(TEXT).line()
    assert line.endswith("=\n")
    last = line[-3]
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    stray = line[:-3] + alphabet[alphabet.index(last) ^ 1] + "=\n"
    note = f"{TEXT}\n{stray}".encode()
    assert note != join(TEXT, [LOG.sign(TEXT)])

    opened = open_note(note, KEYS)

    assert join(TEXT, [LOG.sign(TEXT)]) == join(opened.text, opened.signatures)


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "name",
        "name+00000000",
        "na me+8c2f5cdd+" + LOG.vkey.rpartition("+")[2],
        LOG.vkey.replace("kerman", "rasht"),
        LOG.vkey.upper(),
        LOG.vkey[:-4],
        LOG.vkey + "\n",
        "a+00000000+" + base64.b64encode(b"\x06" + bytes(32)).decode(),
        "a+00000000+" + base64.b64encode(b"\x01" + bytes(31)).decode(),
    ],
)
def test_wrong_verifier_key_is_refused(vkey: str) -> None:
    """The key id must be that of name, type and key; ML-DSA is not read yet."""
    with pytest.raises(RequestError) as caught:
        Verifier.parse(vkey)

    assert Reason.MALFORMED is caught.value.reason


def test_witness_and_log_sign_different_things() -> None:
    """A cosignature has a date; a log's signature has none."""
    with pytest.raises(ValueError, match="time"):
        LOG.sign(TEXT, seconds=SECONDS)
    with pytest.raises(ValueError, match="time"):
        WITNESS.sign(TEXT)


def test_log_key_in_a_witness_line_does_not_verify() -> None:
    """The type is part of the key id, and of what is signed."""
    twin = Signer.from_seed(LOG.name, bytes(32), Kind.LOG)
    as_witness = Signer.from_seed(LOG.name, bytes(32), Kind.WITNESS)

    assert twin.verifier.key_id != as_witness.verifier.key_id
    line = as_witness.sign(TEXT, seconds=SECONDS)
    assert not twin.verifier.verify(TEXT, line)
    assert not as_witness.verifier.verify(TEXT, twin.sign(TEXT))


@settings(max_examples=150, deadline=None)
@given(at=st.integers(0, len(NOTE) - 1), bit=st.integers(0, 7))
def test_changed_bit_never_changes_what_is_read(at: int, bit: int) -> None:
    """A flipped bit is refused, or hits what the signatures do not need."""
    changed = bytearray(NOTE)
    changed[at] ^= 1 << bit

    try:
        opened = open_note(bytes(changed), KEYS)
    except PeerError:
        return

    assert TEXT == opened.text
    assert set(opened.signatures) < set(open_note(NOTE, KEYS).signatures) or (
        opened == open_note(NOTE, KEYS)
    )


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(
            st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=20
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_text_round_trips(lines: list[str]) -> None:
    """Notes carry any text of lines, also Persian."""
    text = "".join(f"{line}\n" for line in lines)
    note = join(text, [LOG.sign(text)])

    assert text == open_note(note, KEYS).text
