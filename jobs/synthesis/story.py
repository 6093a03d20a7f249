"""The story of one sample, backwards: verdict, sample, requests with their answers, seed, and the files that the seed stands for."""

from __future__ import annotations

from typing import Any

from lakehouse.errors import InputError
from lakehouse.report.views import Views

ID_CHARACTERS = 8  # of a sample's id that name it

# Per table what is told of a sample, in the order of the story, by which of its columns. A table that is not there yet tells
# nothing.
_TOLD: dict[str, tuple[str, tuple[str, ...]]] = {
    "silver.synthetic_decisions": (
        "SELECT keep, hits FROM silver.synthetic_decisions WHERE sample_id = ?",
        ("sample_id",),
    ),
    "silver.synthetic_duplicates": (
        "SELECT cluster, kept, duplicate_of, jaccard, members FROM silver.synthetic_duplicates WHERE sample_id = ?",
        ("sample_id",),
    ),
    "silver.synthetic_benchmark_hits": (
        (
            'SELECT benchmark, item, part, rule, share, start, "end", matched FROM silver.synthetic_benchmark_hits'
            " WHERE sample_id = ? ORDER BY benchmark, item, part, rule LIMIT 20"
        ),
        ("sample_id",),
    ),
    "silver.synthetic_functional_hits": (
        "SELECT benchmark, item, entry_point FROM silver.synthetic_functional_hits WHERE sample_id = ? ORDER BY ALL LIMIT 20",
        ("sample_id",),
    ),
    "bronze.teacher_requests": (
        (
            "SELECT q.step, q.request_id, q.template, q.model, a.status, a.finish, a.problem, a.tokens_in, a.tokens_out, a.money"
            " FROM bronze.teacher_requests q JOIN bronze.teacher_responses a USING (seed_id, request_id)"
            " WHERE q.seed_id = ? AND q.sample = ? ORDER BY q.step"
        ),
        ("seed_id", "sample"),
    ),
    "silver.synthesis_seeds": (
        (
            "SELECT seed_id, content_id, corpus, source, repo, path, seed_licence, language, bytes"
            " FROM silver.synthesis_seeds WHERE seed_id = ?"
        ),
        ("seed_id",),
    ),
    "bronze.code_files": (
        (
            "SELECT source, repo, path, commit, version FROM bronze.code_files WHERE content_id = ?"
            " ORDER BY source, repo, path LIMIT 20"
        ),
        ("content_id",),
    ),
    "bronze.open_rows": (
        "SELECT source, file, place, licence, seq_id FROM bronze.open_rows WHERE content_id = ? ORDER BY file, place LIMIT 20",
        ("content_id",),
    ),
    "gold.synthetic": ("SELECT doc_id FROM gold.synthetic WHERE doc_id = ?", ("sample_id",)),
}
_NEEDS = {"bronze.teacher_requests": ("bronze.teacher_responses",)}


def story(views: Views, what: str) -> dict[str, Any]:
    """By table, the rows about the sample with this id (8 and more characters of it); `verdict` in one line.

    Raises InputError where no sample or more than one is meant.
    """
    known = views.rows(
        "SELECT sample_id, seed_id, kind, sample, accepted, reason, detail, content_id, repo, path, seed_licence, terms, sandbox,"
        " ended, ended_in, message, control, entry_point, bytes FROM silver.synthetic_samples"
        " WHERE length(?1) >= 8 AND starts_with(sample_id, ?1) ORDER BY sample_id LIMIT 20",
        [what],
    )
    if not known:
        raise InputError(
            f"{what}: no sample has this id; expected {ID_CHARACTERS} or more characters of a sample_id. Some are listed by"
            ' codelake sql "SELECT sample_id, reason, repo, path FROM silver.synthetic_samples LIMIT 20".'
        )
    if len(known) > 1:
        raise InputError(f"{what}: {len(known)} samples begin so: {', '.join(row['sample_id'] for row in known)}.")
    (sample,) = known
    told: dict[str, Any] = {"silver.synthetic_samples": sample}
    for table, (query, keys) in _TOLD.items():
        if views.has(table, *_NEEDS.get(table, ())):
            told[table] = views.rows(query, [sample[key] for key in keys])
    return {"verdict": _verdict(told), **told}


def _verdict(told: dict[str, Any]) -> str:
    """Where the sample ended, and by what."""
    if told.get("gold.synthetic"):
        return f"kept: in gold.synthetic as {told['gold.synthetic'][0]['doc_id']}"
    sample = told["silver.synthetic_samples"]
    if not sample["accepted"]:
        said = ": ".join(part for part in (sample["reason"], sample["detail"] or sample["message"]) if part)
        return f"rejected: {said}"
    if decided := told.get("silver.synthetic_decisions"):
        return f"dropped: {', '.join(hit['rule'] for hit in decided[0]['hits'])}"
    return "accepted, not decided yet: codelake build synthesis.*"
