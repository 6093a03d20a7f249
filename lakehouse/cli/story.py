"""The story of one file as text: one section per stage, in the order of the work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import click

from lakehouse.ask.find import DISTINCT, FILES, place
from lakehouse.ask.sql import plain
from lakehouse.ask.why import DECISIONS, DUPLICATES, LANGUAGES, LICENCES, PRETRAIN, SAMPLE, SIGNALS, TEXTS, Story
from lakehouse.cli.common import size
from lakehouse.shown import visible

LINE_CHARS = 400
SPANS = 10  # redactions that are listed one by one
COLUMN = 14

Row = Mapping[str, Any]


def show(story: Story) -> None:
    for line in lines(story):
        click.echo(line)


def lines(story: Story) -> Iterator[str]:
    """Lines for a terminal; whatever comes from files has its hidden characters written out."""
    name = place(story.stands or story.occurrences[0]) if story.stands or story.occurrences else story.asked
    yield visible(name, LINE_CHARS)
    if story.content_id is not None:
        yield story.content_id
    yield visible(story.verdict, LINE_CHARS)
    yield ""
    for section, said in _sections(story):
        for i, line in enumerate(said):
            yield f"{section if i == 0 else '':<{COLUMN}}{visible(line, LINE_CHARS)}"


def _sections(story: Story) -> Iterator[tuple[str, list[str]]]:
    yield "in quarantine", [line for row in story.quarantine for line in _refused(row)]
    if story.content_id is None:
        return
    yield "found", _or_gap(story, FILES, list(_found(story)))
    yield "copies", _or_gap(story, DISTINCT, _copies(story))
    yield (
        "language",
        _or_gap(story, LANGUAGES, [*_language(story.language), *_marks(story.marks), *_notebook(story.notebook)]),
    )
    yield "licence", _or_gap(story, LICENCES, _licence(story.licence))
    yield "near copies", _or_gap(story, DUPLICATES, list(_near_copies(story)))
    yield "taken out", _or_gap(story, TEXTS, list(_taken_out(story)))
    yield "benchmarks", list(_benchmarks(story))
    yield "rules", _or_gap(story, DECISIONS, list(_rules(story)))
    if SIGNALS in story.gaps:
        yield "signals", [story.gaps[SIGNALS]]
    yield "sample", _or_gap(story, SAMPLE, _sample(story.sample))
    yield "gold", _or_gap(story, PRETRAIN, list(_gold(story)))


def _or_gap(story: Story, name: str, said: list[str]) -> list[str]:
    return [*said, story.gaps[name]] if name in story.gaps else said


def _refused(row: Row) -> Iterator[str]:
    size_ = "" if row["size"] is None else f", {size(row['size'])}"
    yield f"{row['reason']}{size_}, refused by {row['job']}: {row['item']}"
    yield f"  {row['detail']}"
    if row["first_bytes"]:
        yield f"  begins with {row['first_bytes'].hex(' ')}"


def _found(story: Story) -> Iterator[str]:
    if story.content is not None:
        yield f"{size(story.content['size'])} ({story.content['size']:,} bytes), {story.content['swhid']}"
    for row in story.occurrences:
        facts = [
            f"{name} {plain(row[name])}" for name in ("commit", "version", "stars", "licence") if row[name] is not None
        ]
        when = [] if row["committed_at"] is None else [f"{row['committed_at']:%Y-%m-%d}"]
        yield f"{place(row)}  {', '.join(facts + when)}"
    if story.more_occurrences:
        yield f"and {story.more_occurrences:,} more places"
    if not story.occurrences and FILES not in story.gaps:
        yield "no source brings it any more"


def _copies(story: Story) -> list[str]:
    stands = story.stands
    if stands is None:
        return []
    if stands["copies"] == 1:
        return ["none"]
    return [f"{stands['copies']:,} places hold the same bytes; {place(stands)} stands for them"]


def _language(row: Row | None) -> list[str]:
    if row is None:
        return []
    read = f"not text: {row['unreadable']}" if row["unreadable"] else f"encoded in {row['encoding']}"
    return [f"{row['language']}, {row['type']}, told by {row['how']}; {read}"]


def _marks(row: Row | None) -> list[str]:
    return [] if row is None else [f"{mark}, by {reason}" for mark, reason in row.items() if reason is not None]


def _notebook(row: Row | None) -> Iterator[str]:
    if row is None:
        return
    left_out = f", {row['refused']} that are none" if row["refused"] else ""
    yield f"notebook of format {row['format']} in {row['language']}: {row['cells']:,} cells{left_out}, {row['triplets']:,} triplets"
    if row["cut"]:
        yield f"outputs of {row['output_characters']:,} characters, {row['cut']:,} of them left out"


_LICENCE_BY = {
    "tag": "the SPDX tag in its header",
    "notice": "the notice in its header",
    "phrase": "a phrase in its header",
    "folder": "the nearest folder that states one",
    "metadata": "the metadata of its source",
    "nothing": "nothing: no header, no folder and no metadata states one",
}


def _licence(row: Row | None) -> list[str]:
    if row is None:
        return []
    share = "" if row["share"] is None else f", {row['share']:.0%} of the licence's words"
    evidence = f": {row['evidence']}" if row["evidence"] else ""
    return [f"{row['expression'] or 'unknown, which permits nothing'}, by {_LICENCE_BY[row['how']]}{evidence}{share}"]


def _near_copies(story: Story) -> Iterator[str]:
    row = story.duplicate
    if row is None:
        yield "none found"
        return
    kept = "this one survives" if row["kept"] else f"{row['duplicate_of'][:16]} survives instead"
    yield f"cluster of {row['members']:,}, nearest at Jaccard {row['jaccard']:.3f}; {kept}"
    for member in story.members:
        if member["content_id"] == story.content_id:
            continue
        near = "not compared with it" if member["jaccard"] is None else f"Jaccard {member['jaccard']:.3f}"
        where = place(member) if "path" in member else "in no source any more"
        yield f"  {member['content_id'][:16]}  {near}{', survives' if member['kept'] else ''}  {where}"
    if row["members"] > len(story.members):
        yield f"  and {row['members'] - len(story.members):,} more"


def _taken_out(story: Story) -> Iterator[str]:
    if story.text is None:
        if story.language is not None and story.language["unreadable"]:
            yield "nothing: it has no text"
        return
    notice, spans = story.text["notice"], story.text["redactions"]
    if notice is not None:
        length = f"{notice['lines']} line{'' if notice['lines'] == 1 else 's'}"
        yield f"a notice of {length}, {notice['characters']:,} characters, that begins"
        yield from (f"  | {line}" for line in notice["begins"])
    kinds = [span["kind"] for span in spans]
    for kind in dict.fromkeys(kinds):
        yield f"{kinds.count(kind)} x {kind}"
    for span in spans[:SPANS]:
        where = "of the text" if notice is None else "after the notice"
        yield f"  characters {span['start']:,} to {span['end']:,} {where}, now {span['placeholder']}"
    if len(spans) > SPANS:
        yield f"  and {len(spans) - SPANS} more"
    if notice is None and not spans:
        yield "nothing"
    yield f"{size(story.text['bytes'])} of text left"


def _benchmarks(story: Story) -> Iterator[str]:
    """Nothing where nothing was found: whether anything was looked for is a matter of the configuration."""
    for row in story.benchmarks[:SPANS]:
        yield (
            f"{row['benchmark']} {row['item']}: {row['share']:.0%} of its {row['part']} by {row['rule']}, "
            f"characters {row['start']:,} to {row['end']:,} of the text"
        )
        yield f"  | {row['matched'].splitlines()[0] if row['matched'] else ''}"
    if len(story.benchmarks) > SPANS:
        yield f"and {len(story.benchmarks) - SPANS} more"


def _rules(story: Story) -> Iterator[str]:
    if story.decision is None:
        return
    hits = story.decision["hits"]
    yield f"{len(hits) or 'none'} hit, by rule set {story.decision['rules']}"
    for hit in hits:
        value = "" if hit["value"] is None else f" {_number(hit['value'])}"
        limit = "" if hit["limit"] is None else f", limit {_number(hit['limit'])}"
        detail = "" if hit["detail"] is None else f" ({hit['detail']})"
        yield f"  {hit['rule']}{value}{limit}{detail}"
    for row in story.near:
        value, limit = _number(row["value"]), _number(row["limit"])
        yield f"  nearly {row['rule']}: {row['signal']} is {value}, hit when {row['hit_when']} {limit}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"


def _sample(row: Row | None) -> list[str]:
    if row is None:
        return []
    if row["cap"] is None:
        return [f"taken: {row['language']} has no cap"]
    return [f"{'taken' if row['taken'] else 'cut'}: {row['language']} is capped at {size(row['cap'])}"]


def _gold(story: Story) -> Iterator[str]:
    for row in story.held:
        release = "now" if row["release"] is None else f"in release {row['release']}"
        yield f"{row['table']}@{row['version']}, {release}"
    if not story.held and PRETRAIN not in story.gaps:
        yield "in no table and no release"
