"""`/v1/datasets`: one dataset, its versions, and what belongs to a version."""

from starlette.responses import Response

from shahrdad.datasets.errors import Reason, RequestError
from shahrdad.node.catalog import Dataset, Version
from shahrdad.node.http.answers import IMMUTABLE, JSON, Call, answer, as_json
from shahrdad.node.http.dataset_object import (
    Shown,
    document,
    show,
    version_document,
)
from shahrdad.node.http.object_files import repr_digest, send_object
from shahrdad.node.http.operations import Operation
from shahrdad.node.http.pages_of_lists import list_answer, page
from shahrdad.node.http.parameters import AS_OF, CURSOR, LIMIT
from shahrdad.node.http.record_view import read
from shahrdad.node.store.contract import Area

DATASET = "/v1/datasets/{city}/{slug}"
DESCRIPTOR = "application/vnd.datapackage+json"


def find(call: Call, *, withdrawn_readable: bool = False) -> tuple[Dataset, Version]:
    """Return the dataset and version that an address names.

    Args:
        call: The request: `n` in its path, or `as_of` among its parameters, or neither.
        withdrawn_readable: A version named by number stays readable after withdrawal.

    Raises:
        RequestError: DATASET_UNKNOWN, VERSION_UNKNOWN, DATASET_WITHDRAWN,
            VERSION_REDACTED.
    """
    catalog, n = call.node.catalog, call.path.get("n")
    moment = call.values.get("as_of")
    if moment is not None:
        dataset, version = catalog.as_of(call.ref, moment)
        _check_not_withdrawn_then(dataset, version, moment)
    else:
        dataset, version = catalog.version(call.ref, n)
        if dataset.state == "withdrawn" and not (withdrawn_readable and n is not None):
            raise withdrawn(dataset)
    if version.state == "redacted":
        raise RequestError(Reason.VERSION_REDACTED, ref=dataset.ref, version=version.n)
    return dataset, version


def withdrawn(dataset: Dataset) -> RequestError:
    """Return the error of a dataset that was withdrawn."""
    return RequestError(
        Reason.DATASET_WITHDRAWN,
        ref=dataset.ref,
        time=dataset.updated,
        cause=dataset.reason or "",
        by=dataset.replaced_by or "",
    )


def shown(call: Call) -> Shown:
    """Return the version that an address names, with its record.

    Raises:
        RequestError: as `find`, and RECORD_NOT_HELD.
    """
    return show(call.node, *find(call, withdrawn_readable=True))


def get_dataset(call: Call) -> Response:
    """Answer with the dataset object."""
    found = show(call.node, *find(call))
    address = call.public.api(found.ref, found.version.n)
    return as_json(call, document(found), **{"Content-Location": address})


def get_versions(call: Call) -> Response:
    """Answer with the versions, newest first."""
    versions = call.node.catalog.versions(call.ref)
    found, after = page(
        versions,
        lambda version: (-version.n,),
        kind="versions",
        cursor=call.values["cursor"],
        limit=call.values["limit"],
    )
    items = [_version_item(call, version) for version in found]
    return list_answer(call, items, len(versions), after)


def _version_item(call: Call, version: Version) -> dict[str, object]:
    record = None
    if version.state == "held":
        record = read(call.node.catalog.body(version.digest))
    return {
        **version_document(version, record),
        "rows": version.rows,
        "state": version.state,
        "url": call.public.api(call.ref, version.n),
    }


def get_descriptor(call: Call) -> Response:
    """Answer with the record: the exact bytes that the log's entry names."""
    dataset, version = find(call, withdrawn_readable=True)
    body = call.node.catalog.body_bytes(version.digest)
    headers = {
        "Content-Location": call.public.api(dataset.ref, version.n, "descriptor"),
        "Repr-Digest": repr_digest(version.digest),
    }
    etag = f'"{version.digest.hex}"'
    cache = _cache(call)
    return answer(call, body, DESCRIPTOR, headers, cache=cache, strong=etag)


def _cache(call: Call) -> str:
    """Return the cache rule: what is named by version number never changes."""
    return IMMUTABLE if "n" in call.path else "public, no-cache"


def get_receipt(call: Call) -> Response:
    """Answer with the receipt, which proves the record offline."""
    dataset, version = find(call, withdrawn_readable=True)
    body = call.node.receipt(dataset.ref, version.n)
    name = f"{dataset.name}--v{version.n}.tlog-proof"
    headers = {
        "Content-Location": call.public.api(dataset.ref, version.n, "receipt"),
        "Content-Disposition": f'attachment; filename="{name}"',
    }
    return answer(call, body, "text/plain; charset=utf-8", headers)


def get_report(call: Call) -> Response:
    """Answer with the validation report that was published with the version."""
    found = shown(call)
    report = found.record.attachment("report")
    if report is None:
        raise RequestError(
            Reason.RESOURCE_UNKNOWN,
            ref=found.ref,
            resource="report",
            known=", ".join(table.name for table in found.record.tables),
        )
    return send_object(call, Area.OBJECT, report.digest, JSON, cache=_cache(call))


def get_schema(call: Call) -> Response:
    """Answer with the Table Schema of a table."""
    found = shown(call)
    table = found.record.table(call.path["resource"])
    if table is None:
        raise RequestError(
            Reason.RESOURCE_UNKNOWN,
            ref=found.ref,
            resource=call.path["resource"],
            known=", ".join(table.name for table in found.record.tables),
        )
    return as_json(call, dict(table.schema))


def operations() -> list[Operation]:
    """Return the operations on one dataset."""
    gone = ("not-found", "withdrawn", "redacted")
    found = [
        Operation(
            "getDataset",
            DATASET,
            get_dataset,
            "The newest version of a dataset, or the one of a day.",
            (AS_OF,),
            schema="Dataset",
            problems=gone,
        ),
        Operation(
            "getDatasetVersion",
            f"{DATASET}/v/{{n}}",
            get_dataset,
            "One version of a dataset.",
            schema="Dataset",
            problems=gone,
        ),
        Operation(
            "listVersions",
            f"{DATASET}/versions",
            get_versions,
            "The versions of a dataset, newest first.",
            (LIMIT, CURSOR),
            schema="VersionPage",
        ),
    ]
    parts = [
        ("Descriptor", "descriptor", get_descriptor, "The signed record.", DESCRIPTOR),
        ("Receipt", "receipt", get_receipt, "The receipt.", "text/plain"),
        ("Report", "report", get_report, "The validation report.", JSON),
        ("Schema", "schema/{resource}", get_schema, "The Table Schema.", JSON),
    ]
    for name, part, call, summary, media_type in parts:
        found += [
            Operation(
                f"get{name}",
                f"{DATASET}/{part}",
                call,
                summary,
                (AS_OF,),
                media_type=media_type,
                problems=gone,
            ),
            Operation(
                f"getVersion{name}",
                f"{DATASET}/v/{{n}}/{part}",
                call,
                summary,
                media_type=media_type,
                problems=gone,
            ),
        ]
    return found


def _check_not_withdrawn_then(dataset: Dataset, version: Version, moment: str) -> None:
    """Refuse a moment after the withdrawal: then there was nothing any more."""
    if dataset.state == "withdrawn" and dataset.updated <= moment:
        raise withdrawn(dataset)
