"""What must hold of a node at any moment, whatever was killed or failed before."""

from shahrdad.federation.verify import checkpoint as checkpoints
from shahrdad.federation.verify import entry as entries
from shahrdad.federation.verify.note import Verifier
from shahrdad.federation.verify.tree import Frontier
from shahrdad.node import record
from shahrdad.node.city import Node
from shahrdad.node.store.contract import Area, read_bytes

OBJECT_BYTES_MAX = 64 * 1024**2


def check_world(node: Node) -> None:
    """Every signed head is the root of what is stored, and all it names is readable."""
    for log in node.logs.logs():
        if log.checkpoint is None:
            continue
        keys = [Verifier.parse(key.vkey) for key in node.keys.verifiers(log.origin, 1)]
        head, _ = checkpoints.open_checkpoint(log.checkpoint, keys)
        frontier = Frontier()
        for raw in node.logs.entries(log.origin, 0, head.size):
            frontier.append(entries.leaf_hash(raw))
        assert head.root == frontier.root()
    node.projection.follow()
    for dataset in node.catalog.list():
        body = node.catalog.body(dataset.digest)
        for item in record.objects(body):
            own = dataset.city == node.config.node.city
            if not own and node.store.stat(Area.OBJECT, item.digest) is None:
                continue  # a mirror's objects follow later
            area = Area.OBJECT if item.public else Area.PRIVATE
            if own or item.public:
                read_bytes(node.store, area, item.digest, OBJECT_BYTES_MAX)
