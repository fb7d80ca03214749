"""Choosing and opening the store that a node is configured with."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.store.contract import ObjectStore
from shahrdad.node.store.local import LocalStore

if TYPE_CHECKING:
    from shahrdad.node.store.s3 import S3Place

Kind = Literal["local", "s3"]
Serve = Literal["node", "public", "presigned"]


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The section `[store]` of a node's configuration.

    Attributes:
        kind: `local` or `s3`.
        path: The directory, for `local`.
        endpoint: `host:port`, or an address with `http://` or `https://`, for `s3`.
        bucket: Holds everything public and the derived objects.
        private_bucket: Holds uploads, drafts and quarantine; empty for `bucket`.
        prefix: Comes before every key; each node needs its own in a shared bucket.
        region: The server's region; `us-east-1` suits SeaweedFS and Ceph.
        access_key: Who the node is at the server.
        secret_key: Its proof. Whoever has both can replace every object: readers
            notice by the digests, and the node's scrub repairs.
        ca_file: Certificates to trust in place of the system's.
        serve: `node` streams bytes itself, `public` and `presigned` hand out addresses.
        public_url: The public address of the bucket or directory.
    """

    kind: str = "local"
    path: Path = Path("objects")
    endpoint: str = ""
    bucket: str = ""
    private_bucket: str = ""
    prefix: str = ""
    region: str = "us-east-1"
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    ca_file: str = ""
    serve: str = "node"
    public_url: str = ""


def open_store(settings: StoreSettings) -> ObjectStore:
    """Open the configured store; reaches no network.

    Raises:
        RequestError: STORE_SETTING_WRONG names the setting.
    """
    check(settings)
    if settings.kind == "local":
        local = LocalStore(settings.path, settings.public_url or None)
        local.sweep(datetime.now(UTC))
        return local
    # Only here: the client library takes longer to import than a command may.
    from shahrdad.node.store.s3 import S3Store

    return S3Store(s3_place(settings))


def check(settings: StoreSettings) -> None:
    """Refuse settings that cannot work.

    Raises:
        RequestError: STORE_SETTING_WRONG names the setting.
    """
    if settings.kind not in get_args(Kind):
        raise wrong("kind", settings.kind)
    if settings.serve not in get_args(Serve):
        raise wrong("serve", settings.serve)
    if settings.serve == "public" and not settings.public_url:
        raise wrong("public_url", settings.public_url)
    if settings.kind == "local" and settings.serve == "presigned":
        raise wrong("serve", settings.serve)
    if settings.kind == "s3":
        for name in ("endpoint", "bucket", "access_key", "secret_key", "region"):
            if not getattr(settings, name):
                raise wrong(name, "")


def s3_place(settings: StoreSettings) -> "S3Place":
    """Return the place in S3 that the settings name; TLS unless they say `http://`."""
    from shahrdad.node.store.s3 import S3Place

    scheme, separator, host = settings.endpoint.rpartition("://")
    if separator and scheme not in ("http", "https"):
        raise wrong("endpoint", settings.endpoint)
    if "/" in host.rstrip("/"):
        raise wrong("endpoint", settings.endpoint)
    serve: Serve = "node"
    if settings.serve == "public":
        serve = "public"
    elif settings.serve == "presigned":
        serve = "presigned"
    return S3Place(
        endpoint=host.rstrip("/"),
        bucket=settings.bucket,
        access_key=settings.access_key,
        secret_key=settings.secret_key,
        private_bucket=settings.private_bucket,
        prefix=settings.prefix.strip("/"),
        region=settings.region,
        secure=scheme != "http",
        ca_file=settings.ca_file,
        serve=serve,
        public_url=settings.public_url,
    )


def wrong(setting: str, value: str) -> RequestError:
    """Return the error that names a setting; a secret's value is never in it."""
    return RequestError(Reason.STORE_SETTING_WRONG, setting=setting, value=value)
