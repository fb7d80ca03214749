"""The object store of a worker, from its own configuration and environment.

Credentials come from there and never from a task.
"""

from pathlib import Path

from shahrdad.node.config import load
from shahrdad.node.store.contract import ObjectStore
from shahrdad.node.store.opening import StoreSettings, open_store


def open_configured(config: Path | None) -> ObjectStore:
    """Open the store that a configuration names.

    Args:
        config: A file; None = the usual places.

    Raises:
        RequestError: CONFIG_NOT_FOUND and other faults of the configuration.
    """
    found = load(config)
    section = found.store
    scheme = f"http{'s' if section.secure else ''}://"
    plain = "://" in section.endpoint or not section.endpoint
    return open_store(
        StoreSettings(
            kind=section.kind,
            path=found.objects,
            endpoint=section.endpoint if plain else scheme + section.endpoint,
            bucket=section.bucket,
            private_bucket=section.private_bucket,
            prefix=section.prefix,
            region=section.region,
            access_key=section.access_key,
            secret_key=section.secret_key,
            serve=section.serve,
        )
    )
