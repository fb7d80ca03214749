"""Checkpoints: three lines, the log's own signature, and cosignatures that merge."""

import pytest

from log_world import ORIGIN, SECONDS, make_signer
from shahrdad.datasets.errors import PeerError, Reason
from shahrdad.federation.limits import (
    COSIGNATURES_MAX,
    ORIGIN_CHARACTERS_MAX,
    SIZE_MAX,
)
from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify.checkpoint import Checkpoint, parse, valid_origin
from shahrdad.federation.verify.note import Kind, join, open_note

LOG = make_signer(ORIGIN)
ROOT = "XGBi6h1Gb7l0F8ATOMSVd84FwJ05a0e8266+4oM30rg="
HEAD = parse(f"{ORIGIN}\n5\n{ROOT}\n")
TEXT = HEAD.text()


def witness(number: int) -> str:
    """Return the name of a witness."""
    return f"city{number:02d}.example.ir/witness"


def cosigned(*pairs: tuple[int, int]) -> bytes:
    """Return a note with cosignatures of witnesses, each at a time."""
    lines = [
        make_signer(witness(number), Kind.WITNESS).sign(TEXT, seconds=seconds)
        for number, seconds in pairs
    ]
    return join(TEXT, [LOG.sign(TEXT), *lines])


KEYS = [
    LOG.verifier,
    *(make_signer(witness(number), Kind.WITNESS).verifier for number in range(20)),
]


@pytest.mark.parametrize(
    "text",
    [
        f"{ORIGIN}\n5\n{ROOT}\nextension\n",
        f"{ORIGIN}\n5\n{ROOT}",
        f"{ORIGIN}\n5\n",
        f"\n5\n{ROOT}\n",
        f"a b\n5\n{ROOT}\n",
        f"{ORIGIN}\n05\n{ROOT}\n",
        f"{ORIGIN}\n+5\n{ROOT}\n",
        f"{ORIGIN}\n-5\n{ROOT}\n",
        f"{ORIGIN}\n5 \n{ROOT}\n",
        f"{ORIGIN}\n\u06f5\n{ROOT}\n",
        f"{ORIGIN}\n\u0665\n{ROOT}\n",
        f"{ORIGIN}\n{SIZE_MAX + 1}\n{ROOT}\n",
        f"{ORIGIN}\n{10**30}\n{ROOT}\n",
        f"{ORIGIN}\n5\n{ROOT[:-4]}\n",
        f"{ORIGIN}\n5\n{ROOT[:-2]}h=\n",
        f"{ORIGIN}\n5\n{ROOT}=\n",
        f"{ORIGIN}\n5\n {ROOT}\n",
    ],
    ids=lambda text: repr(text[-30:]),
)
def test_text_of_another_form_is_refused(text: str) -> None:
    """Extension lines, Persian digits, other spellings of one hash."""
    with pytest.raises(PeerError) as caught:
        parse(text)

    assert Reason.MALFORMED is caught.value.reason


def test_largest_size_is_read() -> None:
    """2^63 - 1; one more is refused above."""
    assert SIZE_MAX == parse(f"{ORIGIN}\n{SIZE_MAX}\n{ROOT}\n").size


def test_any_origin_of_the_format_is_read() -> None:
    """Members have narrower names; a foreign log may have another one."""
    assert "Go.Sum/log@1" == parse(f"Go.Sum/log@1\n5\n{ROOT}\n").origin


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("kerman.example.ir/catalog", True),
        ("forum.example.ir/members", True),
        ("kerman.example.ir/catalog/2", True),
        ("localhost/catalog", True),
        ("kerman.example.ir", False),
        ("kerman.example.ir/", False),
        ("Kerman.example.ir/catalog", False),
        ("kerman.example.ir/../x", False),
        ("https://kerman.example.ir/catalog", False),
        ("kerman.example.ir/catalog\n", False),
        ("\u06a9\u0631\u0645\u0627\u0646.ir/catalog", False),
        ("a/" + "b" * (ORIGIN_CHARACTERS_MAX - 2), True),
        ("a/" + "b" * (ORIGIN_CHARACTERS_MAX - 1), False),
    ],
)
def test_origins_of_members(origin: str, *, expected: bool) -> None:
    """`host(/seg)+`, ASCII, at most 128 characters."""
    assert expected is valid_origin(origin)


def test_log_itself_must_have_signed() -> None:
    """Witnesses alone make no checkpoint, and neither does another log's key."""
    other = make_signer("rasht.example.ir/catalog")
    shiraz = make_signer(witness(1), Kind.WITNESS)
    note = join(TEXT, [other.sign(TEXT), shiraz.sign(TEXT, seconds=SECONDS)])

    with pytest.raises(PeerError) as caught:
        checkpoints.open_checkpoint(note, [*KEYS, other.verifier])

    assert Reason.BAD_SIGNATURE is caught.value.reason
    assert ORIGIN == caught.value.values["name"]


def test_two_keys_of_a_rotation_may_sign_one_note() -> None:
    """During a rotation both sign; either is enough."""
    new = make_signer(ORIGIN)
    old = type(new).from_seed(ORIGIN, bytes(32), Kind.LOG)
    note = join(TEXT, [old.sign(TEXT), new.sign(TEXT)])

    for keys in ([old.verifier], [new.verifier], [old.verifier, new.verifier]):
        head, opened = checkpoints.open_checkpoint(note, keys)
        assert (HEAD, len(keys)) == (head, len(opened.signatures))


def test_peek_reads_what_a_note_claims() -> None:
    """To know which keys to ask for; nothing is verified."""
    note = join(TEXT, [make_signer("nobody").sign("other\n")])

    assert HEAD == checkpoints.peek(note)


def test_notes_of_one_head_merge() -> None:
    """The newest line of each witness stays; order and repetition do not matter."""
    first = open_note(cosigned((1, SECONDS), (3, SECONDS)), KEYS)
    second = open_note(cosigned((2, SECONDS), (1, SECONDS + 60)), KEYS)

    merged = checkpoints.assemble([first, second])

    assert merged == checkpoints.assemble([second, first, second])
    expected = cosigned((1, SECONDS + 60), (2, SECONDS), (3, SECONDS))
    assert expected == merged
    assert {
        witness(1): SECONDS + 60,
        witness(2): SECONDS,
        witness(3): SECONDS,
    } == checkpoints.stored_cosignature_times(merged)


def test_only_witnesses_of_the_rules_stay() -> None:
    """Others may sign what they like."""
    opened = open_note(cosigned((1, SECONDS), (2, SECONDS)), KEYS)

    merged = checkpoints.assemble([opened], {witness(2)})

    assert cosigned((2, SECONDS)) == merged


def test_newest_sixteen_cosignatures_stay() -> None:
    """A note that a node writes stays short."""
    pairs = [(number, SECONDS + number) for number in range(COSIGNATURES_MAX + 1)]
    opened = open_note(cosigned(*pairs), KEYS)

    assert cosigned(*pairs[1:]) == checkpoints.assemble([opened])
    full = open_note(cosigned(*pairs[1:]), KEYS)
    assert cosigned(*pairs[1:]) == checkpoints.assemble([full])


def test_notes_of_different_heads_do_not_merge() -> None:
    """A cosignature speaks of one root."""
    other = Checkpoint(ORIGIN, 6, bytes(32)).text()
    opened = [
        open_note(cosigned(), KEYS),
        open_note(join(other, [LOG.sign(other)]), KEYS),
    ]

    with pytest.raises(ValueError, match="different"):
        checkpoints.assemble(opened)
