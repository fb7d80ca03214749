"""Policy files: who must have seen a head, read and written as C2SP says."""

import pytest

from log_world import ORIGIN, SECONDS, make_signer
from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.limits import POLICY_WITNESSES_MAX
from shahrdad.federation.verify import policy
from shahrdad.federation.verify.note import Kind, Signature
from shahrdad.federation.verify.policy import POLICY_BYTES_MAX, Group, Policy, parse

LOG = make_signer(ORIGIN)
CITIES = {
    name: make_signer(f"{name}.example.ir/witness", Kind.WITNESS)
    for name in ("a", "b", "c", "d")
}
LINES = {
    "log": f"log {LOG.vkey}",
    **{name: f"witness {name} {signer.vkey}" for name, signer in CITIES.items()},
}


def text(*lines: str) -> bytes:
    """Return a policy file of known lines, by name, and of others."""
    return "".join(f"{LINES.get(line, line)}\n" for line in lines).encode()


def signed(*names: str) -> list[Signature]:
    """Return cosignatures of some witnesses."""
    return [CITIES[name].sign("x\n", seconds=SECONDS) for name in names]


@pytest.mark.parametrize(
    ("names", "expected"),
    [("ab", False), ("c", False), ("ac", False), ("abc", True), ("abd", True)],
)
def test_groups_nest(names: str, *, expected: bool) -> None:
    """Two of the first two, and any of the others."""
    read = parse(
        text(
            "# example",
            "log",
            "a",
            "b",
            "group all-of-them all a b",
            "",
            " \t c".replace("c", LINES["c"]),
            "d",
            "group others any c d",
            "group both 2 all-of-them others",
            "quorum both",
        )
    )

    assert expected is read.satisfied(signed(*names))


def test_quorum_may_be_one_witness_or_nobody() -> None:
    """`none` needs no cosignature."""
    assert parse(text("quorum none")).satisfied([])
    one = parse(text("a", "b", "quorum b"))
    assert one.satisfied(signed("b"))
    assert not one.satisfied(signed("a"))


def test_key_of_the_same_name_does_not_count() -> None:
    """A witness is its key, not its name."""
    read = parse(text("a", "quorum a"))
    line = signed("a")[0]
    forged = Signature(line.name, b"0000", line.payload)

    assert not read.satisfied([forged])


def test_export_is_read_back() -> None:
    """What the rules export is what any C2SP verifier reads."""
    named = {name: signer.verifier for name, signer in CITIES.items()}
    made = Policy.of([LOG.verifier], named, 3)

    read = parse(made.text())

    assert made == read
    assert read.satisfied(signed("a", "b", "d"))
    assert not read.satisfied(signed("a", "b"))
    assert (LOG.verifier, *named.values()) == read.verifiers


def test_export_without_a_quorum() -> None:
    """A network that has no witnesses yet says so."""
    made = Policy.of([LOG.verifier], {}, 0)

    assert made == parse(made.text())
    assert made.satisfied([])
    with pytest.raises(ValueError, match="quorum"):
        Policy.of([LOG.verifier], {}, 1)


def test_names_are_octets() -> None:
    """Bytes that are no UTF-8 are kept as they are."""
    data = (
        text("a", "quorum a")
        .replace(b" a ", b" \xff\xd8 ")
        .replace(b"m a", b"m \xff\xd8")
    )

    assert data == parse(data).text()


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("log",),
        ("quorum none", "quorum none"),
        ("quorum a",),
        ("quorum a", "a"),
        ("log", "log", "quorum none"),
        ("a", "a", "quorum a"),
        ("a", f"witness other {CITIES['a'].vkey}", "quorum a"),
        ("a", LINES["b"].replace("witness b", "witness a"), "quorum a"),
        (LINES["a"].replace("witness a", "witness none"), "quorum none"),
        (f"log {CITIES['a'].vkey}", "quorum none"),
        (f"witness x {LOG.vkey}", "quorum none"),
        ("log nonsense", "quorum none"),
        ("a", "group g 1", "quorum a"),
        ("a", "group g 0 a", "quorum a"),
        ("a", "group g 2 a", "quorum a"),
        ("a", "group g 01 a", "quorum a"),
        ("a", "group g \u06f1 a", "quorum a"),
        ("a", "group g 1 a a", "quorum a"),
        ("a", "group g 1 a", "group h 1 a", "quorum h"),
        ("a", "group g 1 b", "b", "quorum g"),
        ("a", "group g 1 none", "quorum g"),
        ("a", "group a 1 a", "quorum a"),
        ("a", "group g 1 g", "quorum g"),
        ("rule x", "quorum none"),
        ("quorum none x",),
        ("quorum none\r",),
        ("# \0", "quorum none"),
    ],
    ids=repr,
)
def test_policy_that_leaves_a_doubt_is_refused(lines: tuple[str, ...]) -> None:
    """Undefined names, duplicate keys, members that would count twice."""
    with pytest.raises(RequestError) as caught:
        parse(text(*lines))

    assert Reason.MALFORMED is caught.value.reason


def test_most_witnesses_are_read_and_one_more_is_not() -> None:
    """The bounds of what is read."""

    def many(count: int) -> bytes:
        signers = [make_signer(f"w{number}", Kind.WITNESS) for number in range(count)]
        lines = [f"witness {one.name} {one.vkey}" for one in signers]
        return text(*lines, "quorum none")

    assert POLICY_WITNESSES_MAX == len(parse(many(POLICY_WITNESSES_MAX)).witnesses)
    with pytest.raises(RequestError):
        parse(many(POLICY_WITNESSES_MAX + 1))


def test_longest_policy_is_read_and_the_next_is_not() -> None:
    """Bytes, comments included."""
    data = text("quorum none")
    parse(data + b"#" * (POLICY_BYTES_MAX - len(data)))

    with pytest.raises(RequestError) as caught:
        parse(data + b"#" * (POLICY_BYTES_MAX - len(data) + 1))

    assert Reason.TOO_LARGE is caught.value.reason


def test_group_counts_members_that_are_groups() -> None:
    """Groups are judged in the order of their definition."""
    made = Policy(
        (),
        (("a", CITIES["a"].verifier),),
        (Group("g", 1, ("a",)), Group("h", 1, ("g",))),
        "h",
    )

    assert made == policy.parse(made.text())
    assert made.satisfied(signed("a"))
    assert not made.satisfied([])
