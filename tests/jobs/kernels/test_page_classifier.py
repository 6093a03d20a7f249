"""A classifier of pages that anyone can train again to the same bytes.

Classifier(train(sample, labelled, settings)).scores(["def f(): return 1"])    -> [0.98...]
"""

from __future__ import annotations

import random
import subprocess
import sys
from dataclasses import replace

import pytest

from jobs.kernels.page_classifier import Classifier, Settings, model_id, train

SETTINGS = Settings(
    pieces=600, characters=2_000, dimensions=16, epochs=8, least_updates=0, learning_rate=0.5, ngrams=2, least_count=1,
    buckets=20_000, seed=7,
)  # fmt: skip
CODE_WORDS = [
    "def",
    "return",
    "import",
    "class",
    "self",
    "for",
    "while",
    "lambda",
    "yield",
    "print",
    "list",
    "dict",
    "async",
    "await",
    "None",
    "True",
]
STORY_WORDS = [
    "river",
    "mountain",
    "evening",
    "garden",
    "winter",
    "quiet",
    "letter",
    "morning",
    "window",
    "bread",
    "street",
    "music",
    "summer",
    "road",
]
CODE_ZH = ["函数", "变量", "循环", "数组", "指针", "编译", "接口", "线程", "递归", "算法"]
STORY_ZH = ["春天", "河流", "母亲", "故乡", "月亮", "晚餐", "花园", "旅行", "音乐", "朋友"]


def pages(count: int, seed: int) -> list[tuple[bool, str]]:
    """Pages in two languages, half of them about code: their words, and blanks in the one, none in the other."""
    made = []
    chance = random.Random(seed)
    for n in range(count):
        is_code, chinese = n % 2 == 0, n % 4 >= 2
        words = (CODE_ZH if is_code else STORY_ZH) if chinese else (CODE_WORDS if is_code else STORY_WORDS)
        made.append((is_code, ("" if chinese else " ").join(chance.choices(words, k=60))))
    return made


LABELLED = pages(120, seed=1)


@pytest.fixture(scope="module")
def model() -> bytes:
    return train([text for _, text in LABELLED], LABELLED, SETTINGS)


def test_pages_it_has_not_seen_are_told_apart_in_both_languages(model: bytes) -> None:
    unseen = pages(80, seed=2)
    scores = Classifier(model).scores([text for _, text in unseen])
    assert all((score > 0.5) == label for score, (label, _) in zip(scores, unseen, strict=True))


def test_the_same_seed_gives_the_same_bytes_in_another_process(model: bytes) -> None:
    program = (
        "from tests.jobs.kernels.test_page_classifier import *\n"
        "print(model_id(train([text for _, text in LABELLED], LABELLED, SETTINGS)))"
    )
    again = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert again.stdout.strip() == model_id(model)


def test_another_seed_or_setting_gives_another_model(model: bytes) -> None:
    sample = [text for _, text in LABELLED]
    assert train(sample, LABELLED, replace(SETTINGS, seed=8)) != model
    assert train(sample, LABELLED, replace(SETTINGS, pieces=500)) != model


def test_only_the_beginning_of_a_page_is_looked_at(model: bytes) -> None:
    loaded = Classifier(model)
    begun = "def return " * 300
    assert loaded.scores([begun[:2_000] + "river garden " * 500]) == loaded.scores([begun[:2_000]])


def test_text_that_no_one_expects_has_a_score(model: bytes) -> None:
    scores = Classifier(model).scores(["", "\ud800", "x" * 100_000, "\0\0", "__label__yes", "\n"])
    assert scores[0] == 0.0
    assert all(0 <= score <= 1 for score in scores)


def test_labels_of_one_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="2 pages labelled yes and 0 labelled no"):
        train(["a"], [(True, "a"), (True, "b")], SETTINGS)


def test_bytes_that_are_no_model_are_refused() -> None:
    with pytest.raises(ValueError, match="expected a model"):
        Classifier(b"GIF89a")


def test_a_small_seed_is_read_often_enough_to_part_the_scores() -> None:
    few, unseen = LABELLED[:16], pages(40, seed=3)
    once = replace(SETTINGS, epochs=1)
    often = train([t for _, t in few], few, replace(once, least_updates=1_600))
    assert often == train([t for _, t in few], few, replace(once, epochs=100))
    assert train([t for _, t in few], few, replace(once, least_updates=10)) == train([t for _, t in few], few, once)

    def apart(model: bytes) -> float:
        scores = Classifier(model).scores([text for _, text in unseen])
        return sum(abs(score - 0.5) for score in scores) / len(scores)

    assert apart(often) > 0.4 > 0.1 > apart(train([t for _, t in few], few, once))
