"""Identifiers that every mirror computes alike, and the request numbers of this node.

>>> from shahrdad.node.http.identity import resource_uid, uid
>>> str(uid("kerman/budget-1404"))
'b22dffce-dcb2-5e91-a445-d6d8b1ca7fff'
>>> str(resource_uid("kerman/budget-1404", "budget"))[:8]
'9b155e15'
"""

import secrets
import time
from functools import lru_cache
from uuid import NAMESPACE_URL, UUID, uuid5

DATASET_NAMESPACE = uuid5(NAMESPACE_URL, "urn:shahrdad:dataset")
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@lru_cache(maxsize=256)  # one dataset asks again for each of its resources
def uid(ref: str) -> UUID:
    """Return the identifier of a dataset: the same on every node, for ever."""
    return uuid5(DATASET_NAMESPACE, ref)


def resource_uid(ref: str, resource: str) -> UUID:
    """Return the identifier of a resource of a dataset."""
    return uuid5(uid(ref), resource)


def ulid() -> str:
    """Return a new request number: 26 letters that sort by time (ULID)."""
    number = int(time.time() * 1000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -5, -5))
