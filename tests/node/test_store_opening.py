"""Opening the configured store, asking it what a node relies on, failing on purpose."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from minio.commonconfig import ENABLED, Filter, Tag
from minio.lifecycleconfig import (
    AbortIncompleteMultipartUpload,
    Expiration,
    LifecycleConfig,
    Rule,
    Transition,
)
from minio.versioningconfig import VersioningConfig

from fault_store import Fault, FaultStore
from s3_server import S3Server, s3_server
from shahrdad.datasets.errors import Reason, RequestError, UnavailableError
from shahrdad.federation.verify.digest import Digest
from shahrdad.node.store.contract import Area, put_bytes, read_bytes
from shahrdad.node.store.lifecycle import harms
from shahrdad.node.store.local import LocalStore
from shahrdad.node.store.opening import StoreSettings, open_store, s3_place
from shahrdad.node.store.probe import ProbeLine, State, probe
from shahrdad.node.store.s3 import S3Store
from store_fixture import store_settings
from store_suite import HEADS

__all__ = ["s3_server"]
ORIGIN = "kerman.example.ir/log"
ABORTED = AbortIncompleteMultipartUpload(2)
S3 = StoreSettings(
    kind="s3",
    endpoint="https://s3.example.ir:8333",
    bucket="open-data",
    access_key="key",
    secret_key="secret",
)


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        (StoreSettings(kind="ftp"), "kind"),
        (StoreSettings(serve="ftp"), "serve"),
        (StoreSettings(serve="public"), "public_url"),
        (StoreSettings(serve="presigned"), "serve"),
        (replace(S3, bucket=""), "bucket"),
        (replace(S3, secret_key=""), "secret_key"),
        (replace(S3, endpoint="ftp://s3.example.ir"), "endpoint"),
        (replace(S3, endpoint="https://s3.example.ir/bucket"), "endpoint"),
    ],
)
def test_a_setting_that_cannot_work_is_named(
    settings: StoreSettings, setting: str
) -> None:
    """A wrong configuration is refused before anything is stored."""
    with pytest.raises(RequestError) as caught:
        open_store(settings)

    assert Reason.STORE_SETTING_WRONG == caught.value.reason
    assert setting == caught.value.values["setting"]


def test_the_kind_chooses_the_store(tmp_path: Path) -> None:
    """`local` needs a path, `s3` an endpoint; opening reaches no network."""
    local = open_store(StoreSettings(path=tmp_path / "objects"))
    remote = open_store(replace(S3, prefix="/kerman/", serve="presigned"))

    assert isinstance(local, LocalStore)
    assert isinstance(remote, S3Store)
    assert ("s3.example.ir:8333", True, "kerman") == (
        remote.place.endpoint,
        remote.place.secure,
        remote.place.prefix,
    )
    assert not s3_place(replace(S3, endpoint="http://127.0.0.1:1")).secure
    assert "secret" not in repr(S3).replace("secret_key", "")


def test_one_path_one_store(tmp_path: Path) -> None:
    """The tests of a node find their objects again when they open the store twice."""
    settings = store_settings(tmp_path / "objects")
    digest = put_bytes(open_store(settings), Area.OBJECT, b"again")

    assert b"again" == read_bytes(open_store(settings), Area.OBJECT, digest, 5)


def test_a_good_directory(tmp_path: Path) -> None:
    """Every line of a working directory is good, and nothing is left in it."""
    store = LocalStore(tmp_path / "objects")
    lines = probe(store, ORIGIN, datetime.now(UTC))

    assert [] == [line for line in lines if line.state is not State.GOOD]
    assert ["put", "stat", "range", "list", "delete", "owner", "hard-links"] == [
        line.name for line in lines
    ]
    assert [] == list(store.list(Area.PRIVATE))


def test_a_foreign_place_is_refused(tmp_path: Path) -> None:
    """A second node at the same place is told whose it is."""
    store = LocalStore(tmp_path / "objects")
    store.claim("tabriz.example.ir/log")
    bad = [
        line for line in probe(store, ORIGIN, datetime.now(UTC)) if line.state == "bad"
    ]

    assert ["owner"] == [line.name for line in bad]
    assert "tabriz.example.ir/log" in bad[0].detail


def test_a_good_bucket(s3_server: S3Server) -> None:
    """Every line of a working bucket is good."""
    store = S3Store(s3_server.place())
    lines = probe(store, ORIGIN, datetime.now(UTC))

    assert [] == [line for line in lines if line.state is not State.GOOD]
    assert ["private-closed", "object-as-configured", "clock"] == [
        line.name for line in lines
    ][-3:]
    assert {"versioning", f"lifecycle {store.place.bucket}"} <= {
        line.name for line in lines
    }


def test_what_a_bucket_can_have_wrong(s3_server: S3Server) -> None:
    """An open bucket, a wrong clock, a closed one that should be open: a line each."""
    opened = S3Store(s3_server.place(bucket="open"))
    shown = replace(s3_server.place(), serve="public", public_url="https://s3.ir")
    tomorrow = datetime.now(UTC) + timedelta(days=1)

    def bad(store: S3Store, now: datetime) -> list[str]:
        lines = probe(store, None, now)
        return [line.name for line in lines if line.state is State.BAD]

    assert ["private-closed"] == bad(opened, datetime.now(UTC))
    assert ["clock"] == bad(S3Store(s3_server.place()), tomorrow)
    assert ["object-as-configured"] == bad(S3Store(shown), datetime.now(UTC))
    lost = S3Store(replace(s3_server.place(), bucket="no-such-bucket"))
    assert "bucket no-such-bucket" in bad(lost, datetime.now(UTC))


def test_a_bucket_that_keeps_versions_is_bad(s3_server: S3Server) -> None:
    """A redaction in a versioned bucket would leave the redacted bytes."""
    store = S3Store(s3_server.place(bucket="versioned"))
    store.client.make_bucket("versioned")
    store.client.set_bucket_versioning("versioned", VersioningConfig(ENABLED))
    lines = probe(store, None, datetime.now(UTC))

    assert "Enabled" == store.versioning("versioned")
    assert "versioning" in [line.name for line in lines if line.state is State.BAD]


def test_deleting_in_a_versioned_bucket_leaves_no_version(s3_server: S3Server) -> None:
    """What was redacted cannot be had by the number of an old version either."""
    store = S3Store(s3_server.place(bucket="versioned-too"))
    store.client.make_bucket("versioned-too")
    store.client.set_bucket_versioning("versioned-too", VersioningConfig(ENABLED))
    digest = put_bytes(store, Area.OBJECT, b"redacted")
    store.delete(Area.OBJECT, digest)
    versions = store.client.list_objects(
        "versioned-too",
        prefix=store.key(Area.OBJECT, digest),
        recursive=True,
        include_version=True,
    )

    assert [] == list(versions)
    assert store.stat(Area.OBJECT, digest) is None


def rule(*, prefix: str = "", status: str = ENABLED, **acts: Any) -> Rule:
    """Return a lifecycle rule."""
    return Rule(status, rule_filter=Filter(prefix=prefix), rule_id="tidy", **acts)


@pytest.mark.parametrize(
    ("found", "harmful"),
    [
        (rule(expiration=Expiration(days=30)), True),
        (rule(expiration=Expiration(days=30), prefix="kerman/object/"), True),
        (rule(expiration=Expiration(days=30), prefix="ker"), True),
        (rule(transition=Transition(days=9, storage_class="COLD")), True),
        (rule(expiration=Expiration(days=30), prefix="backups/"), False),
        (rule(expiration=Expiration(days=30), status="Disabled"), False),
        (rule(expiration=Expiration(expired_object_delete_marker=True)), False),
        (rule(abort_incomplete_multipart_upload=ABORTED), False),
        (
            Rule(
                ENABLED,
                rule_filter=Filter(tag=Tag("kept", "no")),
                expiration=Expiration(days=1),
            ),
            False,
        ),
        (Rule(ENABLED, expiration=Expiration(days=1)), True),
    ],
)
def test_rule_that_deletes_what_is_kept_is_told_from_others(
    found: Rule, harmful: bool
) -> None:
    """By its act, its status, and the keys that it reaches."""
    assert harmful == harms(found, "kerman")


def test_bucket_whose_rule_deletes_objects_is_bad(s3_server: S3Server) -> None:
    """After thirty days the server would delete what was published."""
    store = S3Store(s3_server.place(bucket="tidied"))
    store.client.make_bucket("tidied")

    def state() -> ProbeLine:
        return next(
            line
            for line in probe(store, None, datetime.now(UTC))
            if line.name == "lifecycle tidied"
        )

    assert State.GOOD is state().state
    store.client.set_bucket_lifecycle(
        "tidied", LifecycleConfig([rule(expiration=Expiration(days=30))])
    )
    assert State.BAD is state().state
    assert "30 days" in state().detail


@pytest.mark.parametrize("fault", [Fault.FAILS, Fault.DONE_BUT_FAILS])
def test_calls_that_failed_can_be_repeated(tmp_path: Path, fault: Fault) -> None:
    """Whether a failed call was done or not, repeating it is right (storage 2.2)."""
    methods = ("put", "delete", "write_named", "open", "stat", "list", "read_named")
    plan = {(method, 0): fault for method in methods}
    store = FaultStore(LocalStore(tmp_path), plan)
    digest = Digest.of(b"object")
    acts: list[Callable[[], object]] = [
        lambda: store.put(Area.OBJECT, digest, BytesIO(b"object"), 6),
        lambda: store.write_named(HEADS, b"heads"),
        lambda: read_bytes(store, Area.OBJECT, digest, 6),
        lambda: store.stat(Area.OBJECT, digest),
        lambda: list(store.list(Area.OBJECT)),
        lambda: store.read_named(HEADS, 5),
        lambda: store.delete(Area.OBJECT, digest),
    ]
    for act in acts:
        with pytest.raises(UnavailableError):
            act()
        act()

    assert b"heads" == store.read_named(HEADS, 5)
    assert store.stat(Area.OBJECT, digest) is None


def test_a_truncated_reading_never_looks_whole(tmp_path: Path) -> None:
    """Half of an object is an error, whichever way it is read."""
    store = FaultStore(LocalStore(tmp_path), {("open", 0): Fault.TRUNCATES})
    digest = put_bytes(store, Area.OBJECT, b"0123456789")
    with pytest.raises(UnavailableError) as caught:
        read_bytes(store, Area.OBJECT, digest, 10)

    assert Reason.STORE_WRONG_ANSWER == caught.value.reason
    assert b"0123456789" == read_bytes(store, Area.OBJECT, digest, 10)


def test_a_slow_store_is_right(tmp_path: Path) -> None:
    """Slowness changes no result."""
    store = FaultStore(LocalStore(tmp_path), {("put", 0): Fault.SLOW})
    digest = put_bytes(store, Area.OBJECT, b"late")

    assert b"late" == read_bytes(store, Area.OBJECT, digest, 4)
