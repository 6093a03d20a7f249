"""Licence and version of a package, from the fields that state them."""

from __future__ import annotations

from importlib.metadata import distributions

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.code.sources.metadata import rank, stated


def fields(*lines: str) -> bytes:
    return "\n".join(["Metadata-Version: 2.4", "Name: tool", *lines, "", "A long text: License: not this one"]).encode()


def test_the_expression_comes_before_the_field_and_the_field_before_the_classifiers() -> None:
    classifier = "Classifier: License :: OSI Approved :: ISC License (ISCL)"
    assert stated(fields("Version: 1.2", "License-Expression: MIT", "License: BSD", classifier)) == ("MIT", "1.2")
    assert stated(fields("License: BSD-3-Clause", classifier)) == ("BSD-3-Clause", None)
    assert stated(fields(classifier)) == ("ISC", None)
    assert stated(fields()) == (None, None)


@pytest.mark.parametrize(
    ("lines", "licence"),
    [
        (["License: MIT License"], "MIT"),
        (["License: Apache License, Version 2.0"], "Apache-2.0"),
        (["License: Our own terms"], "Our own terms"),
        (["License: UNKNOWN"], None),
        (["License: " + "Permission is granted " * 5], None),
        (["License: Copyright (c) us", "        All rights reserved"], None),
        (["License: " + "long " * 40, "Classifier: License :: OSI Approved :: MIT License"], "MIT"),
        (["Classifier: License :: OSI Approved :: BSD License"], None),
        (["Classifier: License :: OSI Approved"], None),
        (["Classifier: License :: Other/Proprietary License"], None),
        (
            [
                "Classifier: License :: OSI Approved :: MIT License",
                "Classifier: License :: OSI Approved :: BSD License",
            ],
            None,
        ),
        (
            [
                "Classifier: License :: OSI Approved",
                "Classifier: License :: OSI Approved :: MIT License",
                "Classifier: License :: OSI Approved :: Apache Software License",
            ],
            "Apache-2.0 AND MIT",
        ),
        (["Classifier: Programming Language :: Python"], None),
    ],
)
def test_what_is_long_unknown_or_open_is_not_a_licence(lines, licence) -> None:
    assert stated(fields(*lines)).licence == licence


def test_the_metadata_inside_an_archive_is_found_by_its_place() -> None:
    assert rank(b"tool-1.0.dist-info/METADATA") == 0
    assert rank(b"tool-1.0/PKG-INFO") == rank(b"PKG-INFO") == rank(b"./tool-1.0/PKG-INFO") == 1
    for other in (b"a/b/PKG-INFO", b"a/tool.dist-info/METADATA", b"METADATA", b"tool-1.0/PKG-INFO.txt"):
        assert rank(other) is None


@given(st.binary(max_size=300))
def test_no_metadata_raises(content: bytes) -> None:
    for value in stated(b"License: " + content):
        assert value is None or value.isprintable()
    stated(content)


def test_every_installed_package_states_its_own_version() -> None:
    checked = 0
    for installed in distributions():
        text = installed.read_text("METADATA")
        if text is not None:
            assert stated(text.encode()).version == installed.version
            checked += 1
    assert checked > 10
