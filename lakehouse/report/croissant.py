"""A release as Croissant 1.0 metadata (JSON-LD, MLCommons): its tables as record sets, their files, their licences.

Files are named by their paths below the lake's root, exactly those of the pinned versions, so that a reader needs neither
Delta nor this project: mlcroissant reads the records where the JSON lies in the root. What a column means is said as the
table's declaration says it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from lakehouse import registry, release
from lakehouse.ask import names
from lakehouse.lake import Lake
from lakehouse.pinned import Pinned
from lakehouse.table import Column

_TERMS = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
CONTEXT: Mapping[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    **{term: f"cr:{term}" for term in _TERMS},
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}
_TYPES = {
    "string": "sc:Text",
    "binary": "sc:Text",
    "boolean": "sc:Boolean",
    "int": "sc:Integer",
    "bigint": "sc:Integer",
    "double": "sc:Float",
    "timestamp": "sc:DateTime",
}
# Columns that say under which licence a row of a table lies.
_LICENCES = {"gold.pretrain": "licence", "gold.sft": "licence", "gold.synthetic": "seed_licence"}
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


def croissant(lake: Lake, name: str) -> str:
    """The metadata of a release as JSON. Raises ConfigError where there is none of this name."""
    pins = release.show(lake, name)
    said = {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": f"Release {name} of a codelake: {', '.join(pin['table'] for pin in pins)}.",
        "datePublished": f"{pins[0]['created_at']:%Y-%m-%d}",
        "version": "1.0.0",  # a release never changes
        "license": _licences(lake, name),
        "distribution": [_files(lake, pin) for pin in pins],
        "recordSet": [_records(pin) for pin in pins],
    }
    return json.dumps(said, indent=2, ensure_ascii=False) + "\n"


def _licences(lake: Lake, name: str) -> list[str]:
    """Every licence of a row, as the address of its text where it is a single SPDX id."""
    with Pinned(lake) as pinned:
        there = pinned.add(name, "r")
        queries = [f'SELECT {c} AS licence FROM r."{t}"' for t, c in _LICENCES.items() if t in there]
        rows = (
            pinned.rows(f"SELECT DISTINCT licence FROM ({' UNION ALL '.join(queries)}) ORDER BY 1") if queries else []
        )
    known = [str(row["licence"]) for row in rows if row["licence"] is not None]
    unknown = ["unknown"] if len(known) < len(rows) or not known else []
    return [f"https://spdx.org/licenses/{one}" if _ID.fullmatch(one) else one for one in known] + unknown


def _files(lake: Lake, pin: Mapping[str, Any]) -> dict[str, Any]:
    root = lake.location(registry.table(pin["table"])).removesuffix(registry.table(pin["table"]).path)
    uris = names.opened(lake, pin["table"], pin["version"]).file_uris()
    return {
        "@type": "cr:FileSet",
        "@id": f"{pin['table']}/files",
        "name": f"{pin['table']}/files",
        "description": f"The files of version {pin['version']}; digest of its rows: {pin['digest']}.",
        "encodingFormat": "application/x-parquet",
        "includes": sorted(unquote(uri).removeprefix(root) for uri in uris),
    }


def _records(pin: Mapping[str, Any]) -> dict[str, Any]:
    table = registry.table(pin["table"])
    keys = [{"@id": f"{table.name}/{name}"} for name in table.key]
    return {
        "@type": "cr:RecordSet",
        "@id": table.name,
        "name": table.name,
        "description": f"One record is {table.row}. {pin['rows']:,} records.",
        "key": keys[0] if len(keys) == 1 else keys,
        "field": [_field(table.name, column) for column in table.columns],
    }


def _field(table: str, column: Column) -> dict[str, Any]:
    inner = re.fullmatch(r"array<(.*)>", column.type)
    kind = inner[1] if inner else column.type
    said: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{table}/{column.name}",
        "name": f"{table}/{column.name}",
        "description": column.comment + (f" ({column.unit})" if column.unit else ""),
    }
    source = {"fileSet": {"@id": f"{table}/files"}, "extract": {"column": column.name}}
    if inner:
        said["repeated"] = True
    if members := re.fullmatch(r"struct<(.*)>", kind):
        return {**said, "subField": [_member(said["@id"], source, *one.split(":")) for one in members[1].split(",")]}
    return {**said, "dataType": _TYPES[kind], "source": source}


def _member(of: str, source: Mapping[str, Any], name: str, kind: str) -> dict[str, Any]:
    at = {**source, "transform": {"jsonPath": name}}
    return {
        "@type": "cr:Field", "@id": f"{of}/{name}", "name": f"{of}/{name}", "dataType": _TYPES[kind], "source": at,
    }  # fmt: skip
