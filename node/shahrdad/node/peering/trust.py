"""Whose signatures a node believes: its own, the configured ones, or the member log's.

With `[federation.trust]` the member log says who is a member, and keys that the
configuration names besides count only for logs that no member entry names. Without it,
`[[federation.logs]]` is all: a vkey tells itself whether it is of a log or a witness.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.federation.keyring import (
    ConfiguredKeys,
    KeyRing,
    LogKey,
    WitnessKey,
    witness_verifier,
)
from shahrdad.federation.limits import SIZE_MAX
from shahrdad.federation.members import MemberKeys
from shahrdad.federation.membership import Trust
from shahrdad.federation.verify.note import Kind, Verifier
from shahrdad.federation.verify.policy import Policy
from shahrdad.node.peering.rotation import public_keys

if TYPE_CHECKING:
    from shahrdad.federation.witness import Witness
    from shahrdad.node.city import Node
    from shahrdad.node.config import Config


def trust_of(config: "Config") -> Trust | None:
    """Return what the member log is checked against; None: none is followed."""
    section = config.federation.trust
    if not section.member_log:
        return None
    return Trust(
        section.member_log, section.forum_vkey, section.approvers, section.threshold
    )


def node_keys(node: "Node") -> KeyRing:
    """Return the keys of a node.

    Raises:
        RequestError: MALFORMED: a key or a trust in the configuration that is none.
    """
    federation = node.config.federation
    logs: list[LogKey] = []
    witnesses: list[WitnessKey] = []
    for log in federation.logs:
        for vkey in log.vkeys:
            if Verifier.parse(vkey).kind is Kind.WITNESS:
                witnesses.append(WitnessKey(log.city, vkey))
            else:
                logs.append(LogKey(log.origin, vkey))
    own = node.vkey
    if own is not None and all(key.vkey != own for key in logs):
        logs.append(LogKey(federation.origin, own))
    held = {key.vkey for key in logs}
    logs += [
        key
        for key in public_keys(node.config.data, federation.origin)
        if key.vkey not in held
    ]
    if node.witness_vkey is not None:
        witnesses.append(WitnessKey(node.config.node.city, node.witness_vkey))
    cities = {log.origin: log.city for log in federation.logs}
    cities[federation.origin] = node.config.node.city
    trust = trust_of(node.config)
    if trust is None:
        return ConfiguredKeys(
            logs,
            witnesses=witnesses,
            quorum=federation.quorum,
            stale_hours=federation.stale_after_hours,
            cities=cities,
        )
    members = MemberKeys(node.logs, trust, extra=logs, cities=cities)
    members.refresh()
    return members


def members_of(node: "Node") -> MemberKeys | None:
    """Return the members' keys, or None: no member log is followed."""
    keys = node.keys
    return keys if isinstance(keys, MemberKeys) else None


def open_witness(node: "Node") -> "Witness | None":
    """Open the witness of a node, or return None: it has no key for it, or no wish.

    Raises:
        RequestError: SIGNING_KEY: others may read the key.
    """
    from shahrdad.federation.keyfile import load_signer
    from shahrdad.federation.witness import Witness
    from shahrdad.node.city import WITNESS_KEY_NAME

    path = node.config.data / WITNESS_KEY_NAME
    if not node.config.federation.witness or not path.exists():
        return None
    name = f"{node.config.federation.origin.partition('/')[0]}/witness"
    return Witness(node.logs, node.keys, load_signer(path, name, Kind.WITNESS))


def policy_of(keys: KeyRing, origins: Sequence[str] = ()) -> Policy:
    """Return the policy that says what these keys say (C2SP tlog-policy).

    A policy knows no sizes: of each log it names the keys that sign now.

    Args:
        keys: Whose signatures count.
        origins: Only these logs; empty means all.

    Raises:
        RequestError: ORIGIN_UNKNOWN.
    """
    for origin in origins:
        if origin not in keys.origins():
            raise RequestError(Reason.ORIGIN_UNKNOWN, origin=origin)
    logs = [
        verifier
        for origin in origins or keys.origins()
        for verifier in keys.verifiers(origin, SIZE_MAX)
    ]
    # Of a city with two witness keys one is enough, and only one is counted.
    witnesses = {
        witness.city: witness_verifier(witness) for witness in keys.witnesses()
    }
    return Policy.of(logs, witnesses, min(keys.quorum, len(witnesses)))
