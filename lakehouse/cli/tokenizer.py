"""`codelake tokenizer`: a vocabulary made from the lake's own texts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from lakehouse.cli.common import as_json, existing, reads_lake, size, table


@click.group()
def tokenizer() -> None:
    """Make a tokenizer from the texts of a lake."""


@tokenizer.command()
@click.argument("folder", type=click.Path(path_type=Path))
@reads_lake
@click.option("--table", "name", default="gold.pretrain", show_default=True, help="Table with the texts.")
@click.option(
    "--vocabulary", type=click.IntRange(min=257), help="Tokens, special ones included; see conf/tokenizer.yaml."
)
@click.option("--mb", "megabytes", type=click.FloatRange(min=0, min_open=True), help="Train on about this much text.")
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
def train(
    folder: Path, lake_root: str, name: str, vocabulary: int | None, megabytes: float | None, json_: bool
) -> None:
    """Train a byte-level BPE on gold texts and write it to FOLDER, ready for tokenizers and transformers.

    \b
    codelake tokenizer train tokenizers/code-32k --vocabulary 32000
    codelake build --set corpus.tokenize.tokenizer=tokenizers/code-32k corpus.tokenize+

    The same texts give the same tokenizer. FOLDER/codelake.json says from which table version it was made.
    """
    from rich.console import Console

    from lakehouse import tokenizer as tokenizers
    from lakehouse.registry import table as named

    config = tokenizers.TokenizerConfig.standard()
    if vocabulary is not None:
        config = config.model_copy(update={"vocabulary": vocabulary})
    with Console(stderr=True).status(f"training {config.vocabulary:,} tokens on {name}"):
        made = tokenizers.train(existing(lake_root), named(name), folder, config, megabytes=megabytes)
    if json_:
        as_json(asdict(made))
        return
    table([{**asdict(made), "bytes": size(made.bytes)}])
    if made.vocabulary < config.vocabulary:
        click.echo(f"the texts are too few for {config.vocabulary:,} tokens: there are {made.vocabulary:,}", err=True)
    click.echo(f"next: codelake build --set corpus.tokenize.tokenizer={folder} corpus.tokenize+", err=True)
