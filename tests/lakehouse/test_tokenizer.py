"""A tokenizer trained on a lake, and texts that try to control what they are trained for.

codelake tokenizer train tokenizers/mine --vocabulary 32000
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from hypothesis import given
from hypothesis import strategies as st

from jobs.corpus.tables import pretrain
from jobs.kernels.encoder import Encoder
from lakehouse.cli.main import main
from lakehouse.errors import InputError, StorageError
from lakehouse.lake import Lake
from lakehouse.tokenizer import TokenizerConfig, train
from tests.lakehouse import lakes

SPECIAL = TokenizerConfig.standard().special


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    """Real texts: modules of an installed package."""
    import click

    made = Lake(str(tmp_path_factory.mktemp("lake")))
    files = sorted(Path(click.__path__[0]).glob("*.py"))
    rows = [_document(i, path.read_text("utf-8")) for i, path in enumerate(files)]
    write_deltalake(made.location(pretrain), pa.Table.from_pylist(rows, schema=pretrain.arrow_schema))
    return made


def _document(number: int, text: str) -> dict[str, object]:
    template = lakes.rows()["gold.pretrain"][0]
    return {
        **template,
        "doc_id": f"{(number + 1) * 0x0FFF_FFF1 % 16**8:08x}" + "0" * 56,
        "text": text,
        "bytes": len(text.encode()),
    }


@pytest.fixture(scope="module")
def encoder(lake: Lake, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    folder = tmp_path_factory.mktemp("made") / "tokenizer"
    train(lake, pretrain, folder, small(), megabytes=None)
    return Encoder.load(folder)


def small(vocabulary: int = 2000) -> TokenizerConfig:
    return TokenizerConfig.standard().model_copy(update={"vocabulary": vocabulary})


def test_the_command_trains_and_says_what_it_was_made_of(
    lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mine"
    main(["tokenizer", "train", str(folder), "--lake", lake.root, "--vocabulary", "1000", "--json"])
    made = json.loads(capsys.readouterr().out)
    assert made["vocabulary"] == 1000
    origin = json.loads((folder / "codelake.json").read_text())
    assert (origin["table"], origin["version"], origin["documents"]) == ("gold.pretrain", 0, made["documents"])
    assert json.loads((folder / "tokenizer_config.json").read_text())["eos_token"] == "<|endoftext|>"
    with pytest.raises(StorageError, match="never changes"):
        train(lake, pretrain, folder, small(), megabytes=None)


def test_order_and_layout_of_the_texts_do_not_matter(lake: Lake, tmp_path: Path) -> None:
    opened = lake.open(pretrain)
    assert opened is not None
    rows = opened.to_pyarrow_table().to_pylist()
    other = Lake(str(tmp_path / "other"))
    for part in (rows[::-2], rows[-2::-2]):
        write_deltalake(
            other.location(pretrain), pa.Table.from_pylist(part, schema=pretrain.arrow_schema), mode="append"
        )
    texts = []
    for number, one in enumerate((lake, other)):
        train(one, pretrain, tmp_path / str(number), small(1500), megabytes=None)
        texts.append((tmp_path / str(number) / "tokenizer.json").read_text())
    assert texts[0] == texts[1]


def test_a_sample_takes_about_what_was_asked_for_and_grows_by_adding(lake: Lake, tmp_path: Path) -> None:
    sizes = [
        train(lake, pretrain, tmp_path / str(mb), small(600), megabytes=mb).documents for mb in (0.1, 0.2, 0.3, 100)
    ]
    assert sizes == sorted(sizes)
    assert 0 < sizes[0] < sizes[-1]
    with pytest.raises(InputError, match="hold no document"):
        train(lake, pretrain, tmp_path / "none", small(600), megabytes=1e-9)


def test_a_lake_without_texts_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="codelake build"):
        train(Lake(str(tmp_path / "empty")), pretrain, tmp_path / "t", small(), megabytes=None)


@given(st.text() | st.lists(st.sampled_from([*SPECIAL, "a", " ", "\n", "<|", "|>"])).map("".join))
def test_any_text_comes_back_and_none_makes_a_special_token(encoder: Encoder, text: str) -> None:
    ids = encoder.plain(text)
    assert not encoder.control & set(ids)
    assert encoder.tokenizer.decode(ids, skip_special_tokens=False) == text
    assert all(0 <= number < encoder.vocabulary for number in ids)


@given(
    st.text()
    | st.lists(
        st.sampled_from([*SPECIAL, "def ", "é", "日本", "\r\n", "\t", " " * 70, "a" * 70, "12345", "\x1c\u2028"])
    ).map("".join)
)
def test_both_ways_to_encode_give_the_same_ids(encoder: Encoder, text: str) -> None:
    assert encoder._by_rank is not None
    slow = Encoder(encoder.json)
    assert slow._by_rank is None
    assert encoder.plain(text) == slow.plain(text)


def test_both_ways_agree_on_real_files(encoder: Encoder) -> None:
    import numpy

    texts = pa.array([p.read_text("utf-8") for p in sorted(Path(numpy.__path__[0]).rglob("*.py"))[:150]], pa.string())
    assert encoder.encode(texts).equals(Encoder(encoder.json).encode(texts))


def test_merges_out_of_the_order_of_their_ids_are_left_to_tokenizers(encoder: Encoder) -> None:
    said = json.loads(encoder.json)
    said["model"]["merges"][0], said["model"]["merges"][1] = said["model"]["merges"][1], said["model"]["merges"][0]
    assert Encoder(json.dumps(said), ours=True)._by_rank is None


def test_special_tokens_are_placed_by_name_only(encoder: Encoder) -> None:
    assert [encoder.special(name) for name in SPECIAL] == list(range(len(SPECIAL)))
    with pytest.raises(ValueError, match=r"'<s>' is no special token of this tokenizer. It has: .*endoftext"):
        encoder.special("<s>")


def test_a_foreign_vocabulary_that_forgot_to_call_its_control_tokens_special_is_mended(
    encoder: Encoder, tmp_path: Path
) -> None:
    said = json.loads(encoder.json)
    for token in said["added_tokens"]:
        token["special"] = False
    (tmp_path / "tokenizer.json").write_text(json.dumps(said))
    foreign = Encoder.load(tmp_path)
    assert foreign.control == encoder.control
    assert foreign.plain("x<|im_end|>") == encoder.plain("x<|im_end|>")


def test_batches_give_what_texts_give_one_by_one(encoder: Encoder) -> None:
    texts = pa.array(["def f():\n    return 1\n", None, "", "日本語 <|im_start|>"] * 100, pa.string())
    assert encoder.encode(texts).to_pylist() == [encoder.plain(text or "") for text in texts.to_pylist()]


def test_a_line_of_a_million_letters_is_no_trouble(encoder: Encoder) -> None:
    assert len(encoder.plain("a" * 1_000_000)) > 1000


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no tokenizer.json"), ("{}", "not a tokenizer"), ("[", "not a tokenizer")]
)
def test_a_folder_that_is_no_tokenizer_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match=said):
        Encoder.load(tmp_path)
