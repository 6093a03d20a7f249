"""Where codelake-1 decides otherwise than the released filter, file by file, and for which of the reasons that it lists.

usage: python -m tests.bench.intentions [--mb 40] [--folder SOURCES] [--readme]

Every file is measured and judged by both rule sets. A rule of codelake-1 and one of the release answer each other when the
signal of the first says that it stands for the second's. What differs in a file is then put to the intention that the
head of conf/filters/codelake-1.yaml lists for it; a verdict that differs by a rule without one is printed as unexplained.
"""

from __future__ import annotations

import argparse
import os
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from jobs.kernels import measures, notices
from jobs.kernels.signals import SIGNALS
from lakehouse.rules import rule_set
from tests.bench import documents, markdown
from tests.bench.signals import File, _released, conf, files

_RELEASED = re.compile(r"qsc_[\w*]+")
_FAMILY = re.compile(r"^qsc_(?:doc|code[a-z*]*)_")
# What a released signal asks, whatever its family: the intention for which codelake-1 asks it otherwise.
INTENTIONS = {
    "cate_ast": "grammar",
    "frac_lines_func_ratio": "statements",
    "frac_lines_simplefunc": "statements",
    "frac_lines_pass": "statements",
    "frac_lines_import": "statements",
    "frac_lines_print": "statements",
    "nums_lines_main": "statements",
    "score_lines_no_logic": "statements",
    "cate_var_zero": "variables",
    "frac_chars_comments": "comments",
    "frac_chars_string_length": "comments",
    "frac_chars_long_word_length": "comments",
    "frac_lines_long_string": "comments",
    "cate_encoded_data": "byte arrays",
    "frac_lines_preprocessor_directives": "directives",
    "cate_testfile": "names",
    "frac_lines_prompt_comments": "to do",
}
NONE = "unexplained"


def question(released: str) -> str:
    """What a released signal asks, without the family that asks it."""
    return _FAMILY.sub("", released)


def questions() -> dict[str, str]:
    """By signal of codelake-1: what it asks. By its description; of several sources, all ask the same."""
    found = {}
    for one in (*SIGNALS, *measures.MEASURES):
        names = _RELEASED.findall(one.description)
        if names:
            found[one.name] = question(names[0].rstrip("_"))
    return found


def judged(chosen: Iterator[File]) -> Iterator[tuple[File, set[str], set[str], set[str]]]:
    """(file, questions by which the release drops it, by which codelake-1 does, that the release could not ask)."""
    first, second = rule_set("opencoder-1"), rule_set("codelake-1")
    syntaxes, asks = notices.load(conf("comments")), questions()
    for file in chosen:
        path, language, kind, text = file
        (row,) = measures.measure(pa.array([text]), [(path, language, kind)], syntaxes).to_pylist()
        released, measured = first.table_name(kind, language), _released(file).values
        theirs = first.hits(released, measured)
        table = second.table_name(kind, language, row["natural_language"])
        values = {name: value for name, value in row.items() if isinstance(value, int | float)}
        ours = second.hits(table, values)
        rules = second.tables[table]
        yield (
            file,
            {question(name) for name, _, _ in theirs},
            {asks.get(rules[name].signal or name, name) for name, _, _ in ours},
            {question(name) for name in first.tables[released] if measured.get(name) is None},
        )


def compared(chosen: Iterator[File]) -> tuple[Counter[str], Counter[str], Counter[str], list[str]]:
    """(verdicts, files with another verdict by intention, by intention and rule, files that nothing explains)."""
    verdicts, intentions, rules = Counter[str](), Counter[str](), Counter[str]()
    unexplained = []
    for (path, *_), theirs, ours, failed in judged(chosen):
        if bool(theirs) == bool(ours):
            verdicts["both drop" if ours else "both keep"] += 1
            continue
        verdicts["only the release drops" if theirs else "only codelake-1 drops"] += 1
        reasons = {one: "failures" if one in ours & failed else INTENTIONS.get(one, NONE) for one in theirs | ours}
        intentions.update(set(reasons.values()))
        rules.update(f"{reason}: {one}" for one, reason in reasons.items())
        unexplained += [f"{path}: {one}" for one, reason in reasons.items() if reason == NONE]
    return verdicts, intentions, rules, unexplained


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mb", type=float, default=40, help="of texts")
    parser.add_argument("--folder", type=Path, help="sources instead of the pinned archives")
    parser.add_argument("--readme", action="store_true", help="put the tables into README.md")
    given = parser.parse_args(argv)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as work:
        folder = given.folder or Path(work)
        if given.folder is None:
            documents.make(given.mb, folder)
        verdicts, intentions, rules, unexplained = compared(files(folder, given.mb))
    lines = [
        *markdown.about("tests.bench.intentions", [f"--mb {given.mb:g}"], load),
        "",
        *markdown.table(["verdicts", "files"], [[name, f"{n:,}"] for name, n in verdicts.most_common()]),
        "",
        *markdown.table(
            ["intention", "files with another verdict"], [[name, f"{n:,}"] for name, n in intentions.most_common()]
        ),
        "",
        *markdown.table(["intention: what is asked", "files"], [[name, f"{n:,}"] for name, n in rules.most_common()]),
    ]
    print("\n".join([*lines, "", *unexplained[:50]]))
    if given.readme:
        markdown.write("intentions", lines)


if __name__ == "__main__":
    main()
