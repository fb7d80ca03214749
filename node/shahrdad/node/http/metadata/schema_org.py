"""schema.org Dataset and Croissant 1.1, as JSON-LD."""

from collections.abc import Mapping
from typing import Any

from shahrdad.node.http import identity
from shahrdad.node.http.cities import city_name
from shahrdad.node.http.dataset_object import Shown, license_of, period
from shahrdad.node.http.file_names import table_file
from shahrdad.node.http.formats import MEDIA_TYPES
from shahrdad.node.http.record_view import TableView

CROISSANT = "http://mlcommons.org/croissant/1.1"
# mlcroissant cannot read the registered media type of Parquet.
CROISSANT_PARQUET = "application/x-parquet"
CROISSANT_TYPES = {
    "integer": "sc:Integer",
    "number": "sc:Float",
    "boolean": "sc:Boolean",
    "date": "sc:Date",
    "datetime": "sc:DateTime",
}
# The context of the specification, word for word: another one is warned about.
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def schema_org(shown: Shown) -> dict[str, Any]:
    """Return the dataset as search engines read it."""
    dataset, record, addresses = shown.dataset, shown.record, shown.addresses
    bounds = period(record.ours.get("fiscal_year"))
    city = city_name(dataset.city, shown.node.config)
    found: dict[str, Any] = {
        "@context": "https://schema.org/",
        "@type": "Dataset",
        "@id": addresses.dataset(dataset.ref),
        "identifier": str(identity.uid(dataset.ref)),
        "url": addresses.page("fa", f"/d/{dataset.ref}"),
        "name": record.text("title", "fa") or dataset.slug,
        "alternateName": record.text("title", "en"),
        "description": record.text("description", "fa") or record.text("title", "fa"),
        "inLanguage": "fa",
        "keywords": [*record.words("keywords"), *record.words("keywords_en")],
        "license": license_of(shown)["url"],
        "isAccessibleForFree": True,
        "datePublished": dataset.first_published,
        "dateModified": shown.version.time,
        "version": str(shown.version.n),
        "creator": {"@type": "Organization", "name": record.publisher["fa"]},
        "publisher": {"@type": "Organization", "name": record.publisher["fa"]},
        "spatialCoverage": {"@type": "Place", "name": city.name_fa},
        "temporalCoverage": f"{bounds['start']}/{bounds['end']}" if bounds else None,
        "includedInDataCatalog": {
            "@type": "DataCatalog",
            "url": addresses.page("fa", "/datasets"),
        },
        "distribution": [
            download
            for table in record.tables
            if table.parts
            for download in _downloads(shown, table)
        ],
    }
    return {name: value for name, value in found.items() if value not in (None, "", [])}


def _downloads(shown: Shown, table: TableView) -> list[dict[str, Any]]:
    return [_download(shown, table, ext) for ext in ("xlsx", "csv", "parquet")]


def _download(shown: Shown, table: TableView, ext: str) -> dict[str, Any]:
    address = shown.addresses.resource(shown.ref, shown.version.n, table.name, ext)
    found = {
        "@type": "DataDownload",
        "contentUrl": address,
        "encodingFormat": MEDIA_TYPES[ext].partition(";")[0],
    }
    file = shown.file(table, ext)
    if file is not None:
        found |= {"contentSize": f"{file.bytes} B", "sha256": file.digest.hex}
    return found


def croissant(shown: Shown) -> dict[str, Any]:
    """Return the dataset as machine-learning tools load it."""
    record, dataset = shown.record, shown.dataset
    tables = [table for table in record.tables if len(table.parts) == 1]
    titles = record.both("title")
    descriptions = record.both("description")
    return {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": CROISSANT,
        "name": {lang: text or dataset.slug for lang, text in titles.items()},
        "description": {
            lang: descriptions[lang] or titles[lang] or dataset.slug
            for lang in ("fa", "en")
        },
        "url": shown.addresses.dataset(shown.ref),
        "license": license_of(shown)["url"],
        "version": f"{shown.version.n}.0.0",
        "datePublished": shown.version.time,
        "creator": {"@type": "Organization", "name": record.publisher["en"]},
        "citeAs": f"{record.publisher['en']}: {titles['en']}, {shown.version.n}",
        "distribution": [_file_object(shown, table) for table in tables],
        "recordSet": [_record_set(table) for table in tables],
    }


def _file_object(shown: Shown, table: TableView) -> dict[str, Any]:
    (part,) = table.parts
    name = table_file(shown.dataset.name, shown.record, table)
    return {
        "@type": "cr:FileObject",
        "@id": f"{table.name}.parquet",
        "name": f"{table.name}.parquet",
        "contentUrl": shown.addresses.file(part.digest, name),
        "contentSize": f"{part.bytes} B",
        "encodingFormat": CROISSANT_PARQUET,
        "sha256": part.digest.hex,
    }


def _record_set(table: TableView) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{table.name}/{field.get('name')}",
                "name": str(field.get("name")),
                "description": str(field.get("title_en") or field.get("title") or ""),
                "dataType": CROISSANT_TYPES.get(str(field.get("type")), "sc:Text"),
                "source": {
                    "fileObject": {"@id": f"{table.name}.parquet"},
                    "extract": {"column": str(field.get("name"))},
                },
            }
            for field in table.fields
        ],
    }
