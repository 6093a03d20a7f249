"""`codelake picture`: the volume table, and two corpora as clouds of points. Reads the lake; writes files only."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path

import click

from lakehouse.cli.common import as_json, existing, reads_lake, table


@click.group()
def picture() -> None:
    """Pictures of what curation did.

    \b
      codelake picture volumes                                     files and GB per language, before and after the filter
      codelake picture corpora silver.code_texts gold.pretrain     two corpora in one plane, with their outliers
    """


@picture.command()
@reads_lake
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
def volumes(lake_root: str, json_: bool) -> None:
    """Per language: files, GB and share after deduplication and after the filter, as the recipe's table has them."""
    from jobs.pictures.volumes import volumes as counted
    from lakehouse.report.views import Views

    with Views(existing(lake_root)) as views:
        rows = counted(views)
    if json_:
        as_json(rows)
        return
    small = {"gb_dedup": 4, "gb_filtered": 4, "pct_dedup": 2, "pct_filtered": 2}
    table([{key: f"{value:,.{small[key]}f}" if key in small else value for key, value in row.items()} for row in rows])


@picture.command()
@click.argument("first")
@click.argument("second")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default="corpora.html",
    show_default=True,
    metavar="FILE",
    help="The page; the picture lies beside it as .svg.",
)
@click.option(
    "--encoder", type=click.Path(path_type=Path), metavar="FOLDER", help="A local encoder; none hashes n-grams."
)
@click.option("--sample", "count", type=click.IntRange(3, 20_000), default=1000, show_default=True, metavar="N")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True)
@click.option("--outliers", "most", type=click.IntRange(0, 1000), default=20, show_default=True, metavar="N")
@reads_lake
@click.option("--json", "json_", is_flag=True, help="Clouds and outliers as JSON on stdout.")
def corpora(
    first: str,
    second: str,
    out: Path,
    encoder: Path | None,
    count: int,
    seed: int,
    most: int,
    lake_root: str,
    json_: bool,
) -> None:
    """Draw samples of two corpora in the plane of their principal components, and list the texts far from all others.

    FIRST and SECOND: TABLE or TABLE@VERSION with texts, such as bronze.code_contents and gold.pretrain@3.
    """
    from jobs.pictures import clouds, page
    from jobs.pictures.encoder import encode
    from jobs.pictures.sample import sample

    lake = existing(lake_root)
    given = [sample(lake, said, count, seed) for said in (first, second)]
    embed = clouds.ngrams if encoder is None else partial(encode, encoder)
    found = clouds.picture(given[0], given[1], embed, most)
    page.write(found, out, "hashed 4-grams" if encoder is None else f"{encoder.name}, mean of the last layer")
    listed = [
        {
            "no.": one.rank,
            "corpus": found.clouds[one.corpus].name,
            "remoteness": round(one.remoteness, 3),
            "bytes": len(one.text.text.encode()),
            "file": one.text.place,
        }
        for one in found.outliers
    ]
    said = [asdict(cloud) for cloud in found.clouds]
    if json_:
        as_json({"clouds": said, "explained": found.explained, "outliers": listed, "page": str(out)})
        return
    table([{**cloud, "spread": f"{cloud['spread']:.3f}"} for cloud in said])
    table(listed, title="\nfarthest from all others")
    click.echo(f"picture: {out.absolute()}")
