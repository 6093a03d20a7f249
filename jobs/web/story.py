"""The story of one page: where it lies, what became of its text, who labels it, what each round says, where it ended."""

from __future__ import annotations

from typing import Any

from lakehouse.errors import InputError
from lakehouse.report.views import Views

# Per table what is told of a page, in the order of the story. A table that is not there yet tells nothing.
_TOLD = {
    "silver.web_text": "SELECT page_id, url, domain, bytes, how, extractor, charset, charset_by, code_blocks, code_blocks_kept, note"
    " FROM silver.web_text WHERE page_id = ?",
    "silver.web_labels": "SELECT topic, label, author, score, in_force, held_out, note FROM silver.web_labels WHERE page_id = ?"
    " ORDER BY topic, in_force DESC, author",
    "silver.web_scores": "SELECT s.topic, s.round, s.score, r.threshold, s.score > r.threshold AS recalled, e.why AS in_seed"
    " FROM silver.web_scores s JOIN silver.web_rounds r USING (topic, round)"
    " LEFT JOIN silver.web_seeds e USING (topic, round, page_id) WHERE page_id = ? ORDER BY topic, round",
    "silver.web_recalled": "SELECT topic, round, score, how, pattern FROM silver.web_recalled WHERE page_id = ? ORDER BY topic",
    "silver.web_documents": "SELECT d.content_id, d.copies, d.page_id = ?1 AS stands, d.topics FROM silver.web_documents d"
    " JOIN silver.web_text t USING (text_id) WHERE t.page_id = ?1",
    "silver.web_decisions": "SELECT v.keep, v.hits FROM silver.web_decisions v JOIN silver.web_documents d USING (content_id)"
    " JOIN silver.web_text t USING (text_id) WHERE t.page_id = ?",
    "gold.pretrain": "SELECT doc_id FROM gold.pretrain WHERE corpus = 'web' AND doc_id IN (SELECT d.content_id"
    " FROM silver.web_documents d JOIN silver.web_text t USING (text_id) WHERE t.page_id = ?)",
}
_NEEDS = {
    "silver.web_scores": ("silver.web_rounds", "silver.web_seeds"),
    "silver.web_decisions": ("silver.web_documents",),
    "gold.pretrain": ("silver.web_documents",),
}


def story(views: Views, what: str) -> dict[str, Any]:
    """By table, the rows about the page with this address or id (8 and more characters of one); `verdict` in one line.

    Raises InputError where no page or more than one is meant.
    """
    found = views.rows(
        "SELECT page_id, url, file, place, inside, dump, fetched_at, kind, size, truncated FROM bronze.web_pages"
        " WHERE url = ?1 OR page_id = ?1 OR (length(?1) >= 8 AND starts_with(page_id, ?1)) ORDER BY file, place, inside LIMIT 20",
        [what],
    )  # fmt: skip
    if not found:
        query = "SELECT item, reason, detail FROM ops.quarantine WHERE job = 'web.ingest' AND starts_with(detail, ?)"
        refused = views.rows(query, [what]) if views.has("ops.quarantine") else []
        if refused:
            return {"verdict": f"refused: {refused[0]['reason']}", "ops.quarantine": refused}
        raise InputError(
            f"{what}: no page has this address or id. Addresses are as the crawl has them, scheme included."
        )
    if len(found) > 1:
        ids = ", ".join(f"{row['page_id'][:12]} ({row['file']})" for row in found)
        raise InputError(f"{what}: {len(found)} pages have it. Name one by its id: {ids}.")
    (page,) = found
    told: dict[str, Any] = {"bronze.web_pages": page}
    for table, query in _TOLD.items():
        if views.has(table, *_NEEDS.get(table, ())):
            told[table] = views.rows(query, [page["page_id"]])
    return {"verdict": _verdict(told), **told}


def _verdict(told: dict[str, Any]) -> str:
    """Where the page ended, and by what."""
    text = (told.get("silver.web_text") or [None])[0]
    if text is None:
        return "not extracted yet: codelake build web.extract"
    if text["bytes"] == 0:
        return f"without text: {text['note']}"
    if told.get("gold.pretrain"):
        return f"kept: in gold.pretrain as {told['gold.pretrain'][0]['doc_id']}"
    if decided := told.get("silver.web_decisions"):
        if decided[0]["keep"]:
            return "kept by the rules, not in gold yet: codelake build corpus.pretrain"
        return f"dropped: {', '.join(hit['rule'] for hit in decided[0]['hits'])}"
    if told.get("silver.web_recalled"):
        return "recalled, not decided yet: codelake build web.*"
    scores = told.get("silver.web_scores")
    if not scores:
        return "not scored: no round has run"
    last = scores[-1]
    return f"not recalled: score {last['score']:.4f} in round {last['round']} of {last['topic']}, above {last['threshold']} is recalled"
