"""A sample of one corpus: texts of a table at a version, drawn by a seeded hash of their key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from jobs.kernels.decode import decode
from lakehouse import registry
from lakehouse.ask import names, sql
from lakehouse.errors import ConfigError
from lakehouse.lake import Lake

TEXT_COLUMNS = ("text", "content")
MOST_CHARACTERS = 100_000  # of a text; a picture needs no more


@dataclass(frozen=True)
class Text:
    """`place`: repository and path where the lake knows them, else the key."""

    key: str
    place: str
    text: str


@dataclass(frozen=True)
class Corpus:
    """`name`: the table at its version."""

    name: str
    texts: tuple[Text, ...]


def sample(lake: Lake, said: str, count: int, seed: int) -> Corpus:
    """At most `count` texts of TABLE or TABLE@VERSION. Raises ConfigError for another form or a table without texts."""
    match = re.fullmatch(r"([\w.]+)(?:@(\d{1,18}))?", said)
    if match is None:
        raise ConfigError(f"{said}: expected TABLE or TABLE@VERSION, such as gold.pretrain@3.")
    version = names.opened(lake, match[1], int(match[2]) if match[2] else None).version()
    table = registry.table(match[1])
    column = next((name for name in TEXT_COLUMNS if name in table.column_names), None)
    if column is None or len(table.key) != 1:
        raise ConfigError(
            f"{table.name}: no texts by one key. Tables with texts: bronze.code_contents, silver.code_texts, gold.pretrain."
        )
    (key,) = table.key
    drawn = f"SELECT {key} FROM {table.name} ORDER BY md5('{seed}' || {key}), {key} LIMIT {count}"
    known = {"repo", "path"} <= set(table.column_names)
    place = "repo || ':' || path" if known else key
    query = f"SELECT {key}, {place}, {column} FROM {table.name} WHERE {key} IN ({drawn}) ORDER BY {key}"
    with sql.ask(lake, query, pins={table.name: version}) as answer:
        rows = list(answer.rows)
    texts = [Text(name, at, _read(text)[:MOST_CHARACTERS]) for name, at, text in rows]
    return Corpus(f"{table.name}@{version}", tuple(text for text in _placed(lake, key, texts) if text.text.strip()))


def _read(value: str | bytes) -> str:
    return value if isinstance(value, str) else decode(value).text or ""


def _placed(lake: Lake, key: str, texts: list[Text]) -> list[Text]:
    """Contents with the occurrence that stands for them."""
    if key != "content_id" or "silver.code_files" not in names.found(lake):
        return texts
    wanted = ", ".join(f"'{text.key}'" for text in texts)
    query = f"SELECT content_id, repo || ':' || path FROM silver.code_files WHERE content_id IN ({wanted or 'NULL'})"
    with sql.ask(lake, query) as answer:
        places = dict(answer.rows)
    return [Text(text.key, places.get(text.key, text.place), text.text) for text in texts]
