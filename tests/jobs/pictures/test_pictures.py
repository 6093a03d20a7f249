"""Pictures of a lake: the volume table agrees with the tables, two corpora stand in one plane with their outliers.

codelake picture volumes
codelake picture corpora silver.code_texts gold.pretrain
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from lakehouse.lake import Lake
from tests.lakehouse import lakes
from tests.lakehouse.lakes import Run


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return lakes.make_lake(tmp_path_factory.mktemp("lake"))


def test_volumes_are_those_of_the_tables(run: Run, lake: Lake) -> None:
    code, out, err = run("picture", "volumes", "--lake", lake.root, "--json")
    assert code == 0, err
    found, rows = json.loads(out), lakes.rows()
    assert list(found[0]) == [
        "language", "files_dedup", "gb_dedup", "pct_dedup", "files_filtered", "gb_filtered", "pct_filtered",
    ]  # fmt: skip
    dropped = {row["content_id"] for row in rows["silver.code_duplicates"] if not row["kept"]}
    language = {row["content_id"]: row["language"] for row in rows["silver.code_languages"]}
    kept = {row["content_id"] for row in rows["silver.code_decisions"] if row["keep"]}
    standing = [row for row in rows["silver.code_files"] if row["content_id"] not in dropped]
    for row in found:
        mine = [one for one in standing if language[one["content_id"]] == row["language"]]
        assert row["files_dedup"] == len(mine)
        assert row["gb_dedup"] * 1e9 == pytest.approx(sum(one["size"] for one in mine))
        assert row["files_filtered"] == sum(one["content_id"] in kept for one in mine)
        assert row["gb_filtered"] * 1e9 == pytest.approx(sum(one["size"] for one in mine if one["content_id"] in kept))
    assert sum(row["files_dedup"] for row in found) == len(standing)
    for share in ("pct_dedup", "pct_filtered"):
        assert sum(row[share] for row in found) == pytest.approx(100)
    code, out, _ = run("picture", "volumes", "--lake", lake.root)
    assert code == 0
    assert "pct_filtered" in out


def test_two_corpora_are_drawn_with_their_outliers(run: Run, lake: Lake, tmp_path: Path) -> None:
    page = tmp_path / "out" / "two.html"
    asked = ["corpora", "bronze.code_contents@0", "gold.pretrain", "--lake", lake.root, "--out", str(page)]
    code, out, err = run("picture", *asked, "--outliers", "4", "--json")
    assert code == 0, err
    said = json.loads(out)
    assert [cloud["name"] for cloud in said["clouds"]] == ["bronze.code_contents@0", "gold.pretrain@0"]
    texts = [cloud["texts"] for cloud in said["clouds"]]
    assert texts[1] == len(lakes.rows()["gold.pretrain"])
    assert texts[0] > texts[1]
    remote = [one["remoteness"] for one in said["outliers"]]
    assert remote == sorted(remote, reverse=True)
    assert len(remote) == 4
    svg = ElementTree.parse(page.with_suffix(".svg")).getroot()  # well-formed whatever the texts hold
    rings = [one for one in svg.iter("{http://www.w3.org/2000/svg}circle") if one.get("fill") == "none"]
    assert len(rings) == 4
    drawn = page.read_text("utf-8")
    assert "<script" not in drawn
    assert lakes.BIDI not in drawn
    first = page.with_suffix(".svg").read_bytes()
    assert run("picture", *asked, "--outliers", "4")[0] == 0
    assert page.with_suffix(".svg").read_bytes() == first


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ("gold.pretrain@x", "expected TABLE or TABLE@VERSION"),
        ("silver.code_languages", "no texts by one key"),
        ("gold.pretrian", "gold.pretrain"),
        ("gold.pretrain@99", "99"),
    ],
)
def test_what_is_no_corpus_is_refused(run: Run, lake: Lake, first: str, said: str) -> None:
    code, _, err = run("picture", "corpora", first, "gold.pretrain", "--lake", lake.root)
    assert code == 2
    assert said in err


def test_an_encoder_of_ones_own_makes_the_points(run: Run, lake: Lake, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs the training extra")
    transformers = pytest.importorskip("transformers", reason="needs the training extra")
    from jobs.pictures.encoder import encode
    from training.export import of_bytes

    torch.manual_seed(1)
    shape = transformers.RobertaConfig(
        vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=66, pad_token_id=1,
    )  # fmt: skip
    folder = tmp_path / "encoder"
    transformers.RobertaModel(shape).save_pretrained(folder)
    of_bytes().save_pretrained(folder)
    alone, together = encode(folder, ["x = 1"]), encode(folder, ["y" * 1000, "x = 1"])
    assert together.shape == (2, 16)
    assert np.allclose(alone[0], together[1], atol=1e-5)  # padding moves no point
    code, _, err = run("picture",
        "corpora", "silver.code_texts", "gold.pretrain", "--lake", lake.root, "--encoder", str(folder), "--out",
        str(tmp_path / "two.html"),
    )  # fmt: skip
    assert code == 0, err
    code, _, err = run(
        "picture", "corpora", "silver.code_texts", "gold.pretrain", "--lake", lake.root, "--encoder", str(tmp_path)
    )
    assert code == 2
    assert "no encoder that transformers reads" in err


def test_without_transformers_an_encoder_is_refused_with_what_to_do(
    run: Run, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    from jobs.pictures import encoder

    monkeypatch.setattr(encoder, "find_spec", lambda name: None if name == "transformers" else sys)
    code, _, err = run(
        "picture", "corpora", "silver.code_texts", "gold.pretrain", "--lake", lake.root, "--encoder", "x"
    )
    assert code == 1
    assert "needs transformers" in err
    assert "codelake[training]" in err
