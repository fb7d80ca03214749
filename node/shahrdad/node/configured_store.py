"""The object store that a node's configuration names; credentials come from there.

A worker on another computer opens it the same way, from its own configuration and
environment: a task never carries a credential.
"""

from pathlib import Path

from shahrdad.node.config import Config, load
from shahrdad.node.store.contract import ObjectStore
from shahrdad.node.store.opening import StoreSettings, open_store


def settings_of(config: Config) -> StoreSettings:
    """Return the settings of a node's store, with an address for its server."""
    section = config.store
    scheme = f"http{'s' if section.secure else ''}://"
    complete = "://" in section.endpoint or not section.endpoint
    return StoreSettings(
        kind=section.kind,
        path=config.objects,
        endpoint=section.endpoint if complete else scheme + section.endpoint,
        bucket=section.bucket,
        private_bucket=section.private_bucket,
        prefix=section.prefix,
        region=section.region,
        access_key=section.access_key,
        secret_key=section.secret_key,
        ca_file=section.ca_file,
        serve=section.serve,
        public_url=section.public_url,
    )


def open_configured(config: Path | None) -> ObjectStore:
    """Open the store that a configuration names.

    Args:
        config: A file; None = the usual places.

    Raises:
        RequestError: CONFIG_NOT_FOUND, STORE_SETTING_WRONG and other faults of the
            configuration.
    """
    return open_store(settings_of(load(config)))
