"""Conversations and rearranged documents as ids.

Chat(system="You are helpful.").encode(encoder, "c1", [{"role": "user", "content": "Hello"}, ...])
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.chat import Chat
from jobs.kernels.encoder import Encoder
from jobs.kernels.fim import FillInMiddle
from lakehouse.tokenizer import TokenizerConfig, _train

TEXT = st.text(max_size=60) | st.lists(st.sampled_from(["<|im_end|>", "<|im_start|>", "system", "\n", " a"])).map(
    "".join
)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    config = TokenizerConfig.standard().model_copy(update={"vocabulary": 400})
    return Encoder(
        _train(iter(["user assistant system\nYou are helpful.\ndef f(x): return x\n"] * 50), config).to_str()
    )


def turns(*contents: str) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[i % 2], "content": content} for i, content in enumerate(contents)]


def shown(encoder: Encoder, ids: Sequence[int]) -> str:
    return str(encoder.tokenizer.decode(list(ids), skip_special_tokens=False))


def test_a_conversation_reads_as_chatml_and_only_answers_are_targets(encoder: Encoder) -> None:
    document = Chat("You are helpful.").encode(encoder, "c", turns("Hello", "Hi", "And now?", "Bye"))
    assert shown(encoder, document.ids) == (
        "<|im_start|>system\nYou are helpful.<|im_end|>\n"
        "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\nHi<|im_end|>\n"
        "<|im_start|>user\nAnd now?<|im_end|>\n<|im_start|>assistant\nBye<|im_end|>\n"
    )
    assert document.mask is not None
    assert shown(encoder, document.ids[document.mask]) == "Hi<|im_end|>Bye<|im_end|>"


def test_a_system_message_of_ones_own_is_kept_and_an_empty_default_adds_none(encoder: Encoder) -> None:
    own = [{"role": "system", "content": "Be brief."}, *turns("Hello", "Hi")]
    assert shown(encoder, Chat("Default").encode(encoder, "c", own).ids).startswith(
        "<|im_start|>system\nBe brief.<|im_end|>"
    )
    assert shown(encoder, Chat("").encode(encoder, "c", turns("Hello", "Hi")).ids).startswith("<|im_start|>user\n")


@given(st.lists(TEXT, min_size=2, max_size=6).filter(lambda contents: len(contents) % 2 == 0))
def test_nothing_that_is_said_makes_or_ends_a_turn(encoder: Encoder, contents: list[str]) -> None:
    document = Chat("").encode(encoder, "c", turns(*contents))
    start, end = encoder.special("<|im_start|>"), encoder.special("<|im_end|>")
    assert document.mask is not None
    assert document.ids.tolist().count(start) == document.ids.tolist().count(end) == len(contents)
    answers = shown(encoder, document.ids[document.mask])
    assert answers == "".join(f"{answer}<|im_end|>" for answer in contents[1::2])


@given(TEXT, TEXT)
def test_the_prompt_does_not_change_the_ids_of_the_answer(encoder: Encoder, prompt: str, answer: str) -> None:
    """A string join would let the last characters of one merge with the first of the other."""
    document = Chat("").encode(encoder, "c", turns(prompt, answer))
    assert document.mask is not None
    assert document.ids[document.mask].tolist() == [*encoder.plain(answer), encoder.special("<|im_end|>")]


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([{"role": "robot", "content": "x"}], "role 'robot'. Allowed: system, user"),
        (turns("only a question"), "no message of the assistant"),
        ([*turns("a", "b"), {"role": "system", "content": "late"}], "message 2 is a system message"),
    ],
)
def test_a_conversation_that_teaches_nothing_is_refused_by_name(
    encoder: Encoder, messages: list[dict[str, str]], said: str
) -> None:
    with pytest.raises(ValueError, match=f"conversation c7: {said}"):
        Chat("").encode(encoder, "c7", messages)


# --- fill in the middle


@given(st.text(max_size=80), st.integers(0, 1000))
def test_a_rearranged_document_holds_every_character_once(encoder: Encoder, text: str, seed: int) -> None:
    fim = FillInMiddle(rate=1.0, spm_rate=0.5, seed=seed)
    ids = fim.encode(encoder, "d", text)
    if not text:
        assert ids is None
        return
    assert ids is not None
    prefix, middle, suffix = (encoder.special(name) for name in (fim.prefix, fim.middle, fim.suffix))
    cut = fim.cut("d", text)
    assert cut is not None
    first, last, spm = cut
    before, between, after = (encoder.plain(part) for part in (text[:first], text[first:last], text[last:]))
    psm = [prefix, *before, suffix, *after, middle, *between]
    assert ids == ([prefix, suffix, *after, middle, *before, *between] if spm else psm)


def test_rates_are_met_and_depend_on_seed_and_name_alone() -> None:
    fim = FillInMiddle(rate=0.5, spm_rate=0.25, seed=3)
    cuts = [fim.cut(f"d{i}", "some text") for i in range(4000)]
    chosen = [cut for cut in cuts if cut is not None]
    assert len(chosen) / 4000 == pytest.approx(0.5, abs=0.03)
    assert sum(cut[2] for cut in chosen) / len(chosen) == pytest.approx(0.25, abs=0.03)
    assert cuts == [FillInMiddle(0.5, 0.25, 3).cut(f"d{i}", "some text") for i in range(4000)]
    assert cuts != [FillInMiddle(0.5, 0.25, 4).cut(f"d{i}", "some text") for i in range(4000)]
    assert {cut[0] for cut in chosen} == set(range(10))  # any place, the ends included


def test_a_rate_that_is_no_share_is_refused() -> None:
    with pytest.raises(ValueError, match=r"rate = 1\.5"):
        FillInMiddle(rate=1.5, spm_rate=0, seed=0)
