"""Invented schemas and files for compat mode: everything that could be read two ways.

Columns come in two kinds: of mixed texts, and of one near-valid family each; only the
second finds a guard that is too wide. What is drawn rarely goes wrong more often: a
label that is not its field's, a row that is too long, a dialect that nobody declared.
"""

import csv
import gzip
import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from frictionless import Package
from hypothesis import strategies as st


def texts(joined: str, between: str = "|") -> list[str]:
    """Return texts that stand in one for short."""
    return joined.split(between)


FAMILIES: dict[str, list[str]] = {
    "integer": texts(
        "1|0|-1|007|+5| 5|5 |1_000|۱۲|0x1F|1.0|1e3||99999999999999999999|-0|--1|1,5"
        "|9223372036854775807|9223372036854775808|\u00a05|5%|ریال 5|٣"
    ),
    "number": texts(
        "1.5|0|-0.0|.5|5.|1e5|NaN|nan|sNaN|INF|Infinity|-INF|1,5|1 000|۱| 2|1,000.5"
        "|1.000,5|1_0|0.1|0.10|1e400|.|-|5%|1000000000000000000000.1|+1.5|1..5"
    ),
    "boolean": texts("true|false|1|0|True|yes|TRUE||no|بله"),
    "date": texts(
        "2020-01-31|2020-02-30|0000-01-01|2020-1-5|1404-06-08| 2020-01-01|2020/01/01"
        "|20200101|9999-12-31|2020-02-29|2021-02-29|2020-01-01T00:00|31.01.2020"
        "|2020-01-31Z|۲۰۲۰-۰۱-۰۱|20-01-01|2020-01-011|0001-01-01|-020-01-01"
    ),
    "datetime": texts(
        "2020-01-31T10:00:00Z|2020-01-31T10:00:00|2020-01-31 10:00:00|2020-01-31"
        "|2020-01-31T25:00:00Z|2020-02-30T10:00:00Z|2020-01-31T10:00:00+03:30"
        "|2020-01-31T10:00:00.123Z|1404-02-31T10:00:00Z|2020-01-31T10:00Z"
        "|2020-01-31T24:00:00|2020-01-31T10:00:60Z|2020-01-31T10:00:00+24:00"
        "|2020-01-31T10:00:00,5Z|0000-01-01T00:00:00Z|2020-W01-1T00:00:00"
    ),
    "time": texts(
        "10:00:00|25:00:00|10:00|10:00:00Z|10:00:00.5|1:00:00|24:00:00|10:00:60|100000"
        "|10:00:00+03:30|23:59:59"
    ),
    "year": texts("2020|999|0000|-999|+999|20201| 202|۲۰۲۰|9999|2_20|1404|1e3"),
    "yearmonth": texts(
        "2020-01|2020-13|2020-1|20-01|2020-00|2020-|2020-01-01|۲۰۲۰-۰۱| 2020-01"
    ),
    "string": texts(
        'a|| |abc|شهر|a@b.ir|http://a.ir/x|a b|ab\ncd|"|xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx'
        "|1|A|a\r\nb|é|e\u0301|😀|\u200c|a'b|95ecc380-afe9-11e4-9b6c-751b66dd541e|a@b"
        "|http://[|YWJj|#a|a;b|a\\b"
    ),
    "any": ["a", "", "1", "None"],
    "geopoint": texts(
        '1,2|57.1, 30.2|200,1|a,b|-1.5,-2|1|[1,2]|{"lon":1,"lat":2}|180,90|181,90|1,2,3'
        "|1e1,2| 1,2|۱,۲"
    ),
    "duration": texts("P1D|P|PT3H|1D|P1Y2M|-P1D|PT|P1.5D|P1W|p1d"),
    "array": ["[1]", "{}", "[", "[]", "", '["a", 1]', "null", "[1,2,3]"],
    "object": ["{}", '{"a":1}', "[1]", "", "null", "{", '{"a":1,"b":2}'],
    "geojson": ['{"type":"Point","coordinates":[1,2]}', "{}", '{"type":"x"}', ""],
    "list": ["a", "a,b", "", "1,2", ",", "a;b"],
}
FORMATS: dict[str, list[str]] = {
    "string": ["default", "default", "email", "uri", "uuid", "binary", "wkt"],
    "date": ["default", "default", "any", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%Y-%m-%d"],
    "datetime": ["default", "default", "any", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"],
    "time": ["default", "default", "any", "%H:%M"],
    "geopoint": ["default", "default", "array", "object"],
    "geojson": ["default", "topojson"],
}
BOUNDS: dict[str, list[Any]] = {
    "integer": ["0", 1, -1, 5, "x", 10**19],
    "number": [0, "0", 1.5, "1.5", "NaN", 0.1],
    "date": ["2020-01-31", "2000-01-01", "2020-02-30"],
    "datetime": ["2020-01-31T10:00:00Z", "2020-01-31T10:00:00"],
    "time": ["10:00:00", "12:00:00"],
    "year": [2020, "2000"],
    "yearmonth": ["2020-01"],
}
LIMITS = ("minimum", "maximum", "minimum", "maximum", "exclusiveMinimum")
PATTERNS = texts(
    r"[a-z]+;a|b;.*;[^a]+;a{2,3};\d+;[0-9]{1,2};(ab|c)*;^a;\S+;[ا-ی]+;\w;a.c;[^\d]+;(?i)A"
    r";a++;\.;[a-c\d]+;.{1,3};x*?;(?:a|1)?;\s*;[A-Z]{2}-[0-9]{4};\d{3}",
    between=";",
)
TRUTHS: list[dict[str, Any]] = [
    {"trueValues": ["yes", "1"], "falseValues": ["no", "0"]},
    {"trueValues": ["1", "x"], "falseValues": ["1", "0"]},
    {"trueValues": ["بله"]},
]
NUMBERS: list[dict[str, Any]] = [
    {"groupChar": ","},
    {"groupChar": " "},
    {"groupChar": "_"},
    {"decimalChar": ","},
    {"decimalChar": ",", "groupChar": "."},
    {"bareNumber": False},
    {"floatNumber": True},
]
DIALECTS: list[dict[str, Any]] = [
    {"csv": {"delimiter": ";"}},
    {"csv": {"delimiter": "\t"}},
    {"csv": {"delimiter": "|"}},
    {"csv": {"quoteChar": "'"}},
    {"csv": {"quoteChar": ""}},
    {"csv": {"escapeChar": "\\"}},
    {"csv": {"escapeChar": "\\", "doubleQuote": False}},
    {"csv": {"skipInitialSpace": True}},
    {"csv": {"lineTerminator": "\n"}},
    {"header": False},
    {"headerRows": [1, 2]},
    {"headerRows": [2]},
    {"headerRows": [1, 2], "headerJoin": "-"},
    {"headerCase": False},
    {"commentChar": "#"},
    {"commentRows": [2, 3]},
    {"skipBlankRows": True},
    {"skipBlankRows": True, "commentChar": "#", "headerRows": [2]},
]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "cp1256", "latin-1"]
V2 = "https://datapackage.org/profiles/2.0/"


@dataclass(frozen=True, slots=True)
class Case:
    """A schema, a file and how they are validated.

    Attributes:
        schema: A Table Schema.
        data: The file.
        path: Its name.
        more: Other members of the resource: dialect, encoding, declared counts.
        limit: Errors to stop at.
        block_bytes: Bytes parsed at a time.
    """

    schema: dict[str, Any]
    data: bytes
    path: str = "table.csv"
    more: dict[str, Any] = field(default_factory=dict)
    limit: int = 1000
    block_bytes: int = 1 << 20

    def write(self, folder: Path) -> None:
        """Write the file, and another one that keys may refer to."""
        (folder / self.path).write_bytes(self.data)
        (folder / "other.csv").write_text("k,l\n1,a\n5,\n2020-01-31,شهر\n,\n1,a\n")

    def resource(self, folder: Path) -> Any:
        """Return the resource, new each time, within a package."""
        table = {
            "name": "table",
            "path": self.path,
            "type": "table",
            "schema": self.schema,
            **self.more,
        }
        fields = [{"name": "k", "type": "any"}, {"name": "l", "type": "string"}]
        other = {
            "name": "other",
            "path": "other.csv",
            "type": "table",
            "schema": {"fields": fields},
        }
        package: dict[str, Any] = {"name": "p", "resources": [table, other]}
        if "$schema" in self.more:
            package["$schema"] = V2 + "datapackage.json"
        return Package.from_descriptor(
            json.loads(json.dumps(package)), basepath=str(folder)
        ).get_resource("table")


def bounds_of(draw: Any, type_: str, v2: bool) -> dict[str, Any]:
    """Return bounds of a type."""
    if type_ not in BOUNDS or draw(st.integers(0, 1)):
        return {}
    names = LIMITS if v2 else LIMITS[:4]
    return {
        draw(st.sampled_from(names)): draw(st.sampled_from(BOUNDS[type_]))
        for _ in range(draw(st.integers(1, 2)))
    }


def constraints_of(draw: Any, type_: str, v2: bool) -> dict[str, Any]:
    """Return the constraints of a field."""
    found: dict[str, Any] = {}
    if draw(st.integers(0, 2)) == 0:
        found["required"] = draw(st.integers(0, 4)) > 0
    if draw(st.integers(0, 3)) == 0:
        found["unique"] = True
    found |= bounds_of(draw, type_, v2)
    if type_ in ("string", "array", "object", "list"):
        for name, most in (("maxLength", 5), ("minLength", 3)):
            if draw(st.integers(0, 2)) == 0:
                found[name] = draw(st.integers(0, most))
    if type_ == "string" and draw(st.booleans()):
        found["pattern"] = draw(st.sampled_from(PATTERNS))
    if type_ not in ("list", "geojson") and draw(st.integers(0, 5)) == 0:
        texts = st.sampled_from(FAMILIES[type_])
        found["enum"] = draw(st.lists(texts, min_size=1, max_size=4, unique=True))
    return found


def field_of(draw: Any, number: int, v2: bool) -> dict[str, Any]:
    """Return a field, perhaps with constraints."""
    type_ = draw(st.sampled_from(sorted(FAMILIES)))
    found: dict[str, Any] = {"name": f"f{number}", "type": type_}
    if type_ in FORMATS:
        found["format"] = draw(st.sampled_from(FORMATS[type_]))
    if type_ == "number" and draw(st.booleans()):
        found |= draw(st.sampled_from(NUMBERS))
    if type_ == "integer" and draw(st.integers(0, 3)) == 0:
        found |= draw(st.sampled_from([{"bareNumber": False}, {"groupChar": ","}]))
    if type_ == "boolean" and draw(st.integers(0, 2)) == 0:
        found |= draw(st.sampled_from(TRUTHS))
    if type_ == "list":
        more = [{}, {"delimiter": ";"}, {"itemType": "integer"}]
        found |= draw(st.sampled_from(more))
    if draw(st.integers(0, 7)) == 0:
        found["missingValues"] = draw(st.sampled_from([["-"], [], ["", "1"]]))
    constraints = constraints_of(draw, type_, v2)
    if constraints:
        found["constraints"] = constraints
    return found


def keys_of(draw: Any, names: list[str]) -> dict[str, Any]:
    """Return keys over some fields."""
    found: dict[str, Any] = {}
    some = st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True)
    if draw(st.integers(0, 2)) == 0:
        found["primaryKey"] = draw(some)
    if draw(st.integers(0, 3)) == 0:
        keys = []
        for _ in range(draw(st.integers(1, 2))):
            key = draw(some)
            if draw(st.booleans()):
                target: dict[str, Any] = {"resource": "other", "fields": ["k", "l"]}
                target["fields"] = target["fields"][: len(key)]
            else:
                columns = st.lists(
                    st.sampled_from(names), min_size=len(key), max_size=len(key)
                )
                target = {"resource": "", "fields": draw(columns)}
            keys.append({"fields": key, "reference": target})
        found["foreignKeys"] = keys
    if draw(st.integers(0, 9)) == 0:
        found["uniqueKeys"] = [draw(some)]
    return found


def labels_of(draw: Any, names: list[str]) -> list[str]:
    """Return the labels of a file, nearly always those of the fields."""
    shape = draw(st.integers(0, 13))
    if shape == 0:
        return names[:-1] or names
    if shape == 1:
        return [*names, draw(st.sampled_from(["extra", "", names[0]]))]
    if shape == 2:
        permuted: list[str] = draw(st.permutations(names))
        return permuted
    if shape == 3:
        return [names[0].upper(), *names[1:]]
    if shape == 4:
        return ["" if place == 0 else name for place, name in enumerate(names)]
    return names


def rows_of(draw: Any, fields: list[dict[str, Any]]) -> list[list[str] | None]:
    """Return records; None is a blank line."""
    mixed = sorted({text for texts in FAMILIES.values() for text in texts})
    pools = []
    for each in fields:
        family = FAMILIES[each["type"]] if draw(st.integers(0, 3)) else mixed
        some = st.lists(st.sampled_from(family), min_size=1, max_size=5)
        pools.append(draw(some))
    rows: list[list[str] | None] = []
    for _ in range(draw(st.integers(0, 10))):
        cells = [draw(st.sampled_from(pool)) for pool in pools]
        shape = draw(st.integers(0, 13))
        shapes: dict[int, list[str] | None] = {
            0: cells[:-1],
            1: [*cells, "extra"],
            2: [""] * len(cells),
            3: None,
            4: ["#" + cells[0], *cells[1:]],
        }
        rows.append(shapes.get(shape, cells))
    return rows


def text_of(
    draw: Any, records: list[list[str] | None], dialect: dict[str, Any], path: str
) -> str:
    """Return records as text, nearly always in the dialect that was declared."""
    control = dialect.get("csv", {})
    delimiter = control.get("delimiter", "\t" if path.endswith(".tsv") else ",")
    if draw(st.integers(0, 13)) == 0:
        delimiter = draw(st.sampled_from([",", ";", "\t", "|", "::"]))[:1]
    quote = control.get("quoteChar") or '"'
    end = draw(st.sampled_from(["\n", "\n", "\r\n", "\r"]))
    spaced = draw(st.integers(0, 13)) == 0
    lines = []
    for record in records:
        buffer = io.StringIO(newline="")
        writer = csv.writer(
            buffer, delimiter=delimiter, quotechar=quote, lineterminator=""
        )
        if record is not None:
            writer.writerow(record)
        line = buffer.getvalue()
        lines.append(line.replace(delimiter, delimiter + " ") if spaced else line)
    text: str = end.join(lines) + draw(st.sampled_from(["", end, end * 2]))
    spoilt = draw(st.integers(0, 29))
    if spoilt == 0:
        text += quote  # never closed
    elif spoilt == 1:
        text = text.replace("a", 'a"', 1)  # a quotation mark within a cell
    elif spoilt == 2:
        text = text.replace("1", "1\x00", 1)
    return text


def file_of(draw: Any, text: str, more: dict[str, Any], path: str) -> tuple[bytes, str]:
    """Return the bytes of a file and its name; `more` gets what must be declared."""
    encoding = "utf-8"
    if draw(st.integers(0, 4)) == 0:
        encoding = draw(st.sampled_from(ENCODINGS))
        if draw(st.integers(0, 4)):
            more["encoding"] = encoding
    data = text.encode(encoding, "replace")
    packed = draw(st.integers(0, 19))
    if packed == 0:
        return gzip.compress(data, mtime=0), path + ".gz"
    if packed == 1:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(path, data)
        return buffer.getvalue(), path + ".zip"
    if draw(st.integers(0, 29)) == 0:
        data += b"\xff"
    if draw(st.integers(0, 14)) == 0:
        more |= draw(st.sampled_from([{"rows": 3}, {"bytes": 5}, {"hash": "md5:x"}]))
    return data, path


@st.composite
def cases(draw: Any) -> Case:
    """Return a case."""
    v2 = draw(st.integers(0, 9)) == 0
    fields = [field_of(draw, n, v2) for n in range(draw(st.integers(1, 4)))]
    schema: dict[str, Any] = {"fields": fields}
    more: dict[str, Any] = {}
    if v2:
        schema["$schema"] = V2 + "tableschema.json"
        more["$schema"] = V2 + "dataresource.json"
        matches = ["exact", "equal", "subset", "superset", "partial"]
        schema["fieldsMatch"] = draw(st.sampled_from(matches))
    names = [each["name"] for each in fields]
    schema |= keys_of(draw, names)
    if draw(st.integers(0, 3)) == 0:
        missing = [["", "-"], ["NA"], [], ["0", ""], ["a", "1"]]
        if v2:
            missing.append([{"value": "-", "label": "none"}])  # type: ignore[list-item]
        schema["missingValues"] = draw(st.sampled_from(missing))
    dialect: dict[str, Any] = {}
    if draw(st.integers(0, 2)) == 0:
        dialect = more["dialect"] = draw(st.sampled_from(DIALECTS))
    path = "table.tsv" if draw(st.integers(0, 11)) == 0 else "table.csv"
    header = [labels_of(draw, names)] * (0 if dialect.get("header") is False else 1)
    records = [*header, *rows_of(draw, fields)]
    data, path = file_of(draw, text_of(draw, records, dialect, path), more, path)
    return Case(
        schema,
        data,
        path,
        more,
        draw(st.sampled_from([0, 1, 2, 3, 1000])),
        draw(st.sampled_from([16, 64, 333, 1 << 20])),
    )
