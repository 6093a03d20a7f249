"""What may be asked for: kinds that exist, with the prompts and options that they need, at a price that is known.

codelake build --profile synthesis
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.synthesis.seeds import KindParams, asked, quotas
from jobs.synthesis.teacher import Answer, Message, Price, Request, TeacherError
from jobs.synthesis.teachers import TeacherParams, Teachers
from lakehouse.config import Config, load
from lakehouse.errors import ConfigError
from lakehouse.registry import graph
from tests.jobs.synthesis import lakes


def configured(**changed: Any) -> Config:
    settings = lakes.settings("http://teacher.test/v1") | {
        key.replace("__", "."): value for key, value in changed.items()
    }
    return load(graph(), overrides=[f"{key}={json.dumps(value)}" for key, value in settings.items()])


def _kind(prompts: list[str], **said: Any) -> dict[str, Any]:
    filled = {name: f"${{conf:prompts/{name}.yaml}}" for name in prompts}
    return {"seeds": 1, "model": "m", "parameters": {"max_tokens": 9}, "prompts": filled, **said}


REPACK = {"seeds": 1, "open_sets": ["a"], "options": {"data_sets": {"a": "evol_instruct"}, "characters": 1}}
INFINITY = _kind(["choice", "reply"], open_sets=["a"], options={"score": 3, "answers": "some"})
DIVERSE = _kind(
    ["sentences", "question", "answer", "refine"],
    options={"tests": 1, "forms": lakes.PYTHON, "specification": {"language": {"Cobol": 1}}},
)


@pytest.mark.parametrize(
    ("where", "name", "value", "said"),
    [
        ("", "poems", {}, r"synthesis.seeds.kinds.poems"),
        ("snippets", "options", {"words": 3}, r"options must be tests, forms; missing \['forms', 'tests'\], unknown"),
        ("snippets", "prompts", {}, r"prompts must be snippets; missing \['snippets'\]"),
        ("snippets", "parameters", {"temperature": 1}, "without it no request has a greatest price"),
        ("snippets", "languages", {"python": -1}, "parts by language must be numbers from 0 on"),
        ("snippets", "seed", 3, r"snippets.seed: unknown key.*Did you mean 'seeds'"),
        ("snippets", "model", "", "snippets needs a `model` to ask"),
        ("snippets", "open_sets", ["evol"], "snippets takes no `open_sets`: it grows from documents"),
        ("snippets", "options", {"tests": 3, "forms": {"cobol": {}}}, "forms.cobol: programs in it are not run"),
        ("snippets", "options", {"tests": 3, "forms": {"go": {"test": "x"}}}, "forms.go: expected the texts"),
        ("", "repack", REPACK | {"open_sets": []}, "repack needs `open_sets`: it grows from rows"),
        (
            "",
            "repack",
            REPACK | {"options": {"data_sets": {"a": "evol"}, "characters": 1}},
            "repack: data_sets.a = .evol.; allowed: filtered_infinity_instruct",
        ),
        ("", "infinity", INFINITY, "infinity: answers = 'some'; allowed: new, kept"),
        ("", "diverse", DIVERSE, "diverse: specification.language: Cobol; with a form are Python"),
    ],
)
def test_a_kind_that_cannot_be_asked_for_is_refused(where: str, name: str, value: Any, said: str) -> None:
    kinds = lakes.settings("http://teacher.test/v1")["synthesis.seeds.kinds"]
    (kinds[where] if where else kinds)[name] = value
    with pytest.raises(ConfigError, match=said):
        load(graph(), overrides=[f"synthesis.seeds.kinds={json.dumps(kinds)}"])


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        ({"how": "endpoint", "money": 1, "tokens": 1}, "a teacher by endpoint needs `url`"),
        ({"how": "recorded", "money": 1, "tokens": 1}, "a teacher by recorded needs `path`"),
        (
            {"how": "telepathy", "money": 1, "tokens": 1},
            "Input should be 'endpoint', 'recorded', 'batch' or 'embedded'",
        ),
        ({"how": "embedded", "money": -1, "tokens": 1}, "greater than or equal to 0"),
        ({"how": "embedded"}, "money: missing"),
    ],
)
def test_a_teacher_that_cannot_be_asked_is_refused(teacher: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(graph(), overrides=[f"synthesis.answers.teachers.m={json.dumps(teacher)}"])


def test_an_empty_keyword_is_refused() -> None:
    with pytest.raises(ConfigError, match="an empty keyword is in every document"):
        load(graph(), overrides=["synthesis.algorithmic.keywords=['']"])


@pytest.mark.parametrize("slots", [["language"], ["language", "seed", "mood"]])
def test_a_template_with_other_slots_than_the_kind_fills_is_refused(slots: list[str]) -> None:
    template = {"version": 1, "slots": slots, "system": "", "user": " ".join(f"{{{{{slot}}}}}" for slot in slots)}
    kinds = lakes.settings("")["synthesis.seeds.kinds"]
    kinds["snippets"]["prompts"] = {"snippets": template}
    with pytest.raises(
        ConfigError, match=r"slots of the prompt snippets must be language, seed, solution_form, test_form; missing"
    ):
        load(graph(), overrides=[f"synthesis.seeds.kinds={json.dumps(kinds)}"])


def test_settings_travel_with_the_seed_and_come_back_as_they_were() -> None:
    kind: KindParams = configured().jobs["synthesis.seeds"].kinds["educational"]  # type: ignore[attr-defined]
    found = asked(kind.canonical_settings, sample=1)
    settings = found.settings
    assert (found.samples, found.accepted) == (2, None)
    assert (settings.sample, settings.model, settings.re_asks) == (1, "m", 1)
    assert settings.prompts == kind.prompts
    assert settings.options == {"score": 3, "tests": 10}


def test_a_kind_that_asks_nothing_needs_no_teacher_and_the_profile_of_open_sets_fits_its_kinds() -> None:
    kinds = json.dumps({"repack": REPACK})
    kind: KindParams = (
        load(graph(), overrides=[f"synthesis.seeds.kinds={kinds}"]).jobs["synthesis.seeds"].kinds["repack"]
    )  # type: ignore[attr-defined]
    assert (kind.model, kind.prompts, asked(kind.canonical_settings).samples) == ("", {}, 1)
    given = load(graph(), profile="open-sets").jobs["synthesis.seeds"].kinds  # type: ignore[attr-defined]
    assert set(given) == {"realuser", "infinity", "repack", "multilingual"}


def test_where_a_teacher_is_changes_no_result_but_what_it_may_spend_does() -> None:
    here, there = configured(), configured(synthesis__answers__teachers={"m": _teacher(url="http://other.test/v1")})
    richer = configured(synthesis__answers__teachers={"m": _teacher(money=2)})
    digests = [config.jobs["synthesis.answers"].digest for config in (here, there, richer)]
    assert digests[0] == digests[1] != digests[2]


def _teacher(**changed: Any) -> dict[str, Any]:
    return {"how": "endpoint", "url": "http://teacher.test/v1", "money": 1, "tokens": 10**6, **changed}


@given(st.integers(0, 10_000), st.dictionaries(st.text(max_size=3), st.floats(0.001, 1000), min_size=1, max_size=9))
def test_quotas_are_whole_add_up_and_lie_within_one_of_the_ratio(count: int, parts: dict[str, float]) -> None:
    found = quotas(count, parts)
    assert sum(found.values()) == count
    total = sum(parts.values())
    assert all(abs(found[name] - count * part / total) < 1 + 1e-9 for name, part in parts.items())


def test_the_profile_asks_the_embedded_teacher_and_costs_nothing() -> None:
    jobs = load(graph(), profile="synthesis").jobs
    (teacher,) = jobs["synthesis.answers"].teachers.values()  # type: ignore[attr-defined]
    assert (teacher.how, teacher.money) == ("embedded", 0)
    assert load(graph()).jobs["synthesis.seeds"].kinds == {}  # type: ignore[attr-defined]


def test_without_teachers_nothing_is_asked_and_with_others_it_is_an_error(tmp_path: Path) -> None:
    request = Request("m", (Message("user", "q"),), {"max_tokens": 5})
    (answer,) = Teachers({}, [], {}).ask("m", [request])
    assert (answer.request_id, answer.status, answer.problem) == (request.id, "waiting", "no_teacher")
    file = tmp_path / "answers.jsonl"
    file.write_text("")
    other = {"other": TeacherParams(how="recorded", path=str(file), money=0, tokens=0)}
    with pytest.raises(TeacherError, match="no teacher for the model 'm'; configured: other"):
        list(Teachers(other, [], {}).ask("m", [request]))
    with pytest.raises(TeacherError, match="no price of 'other'"):
        list(Teachers(other, [], {}).ask("other", [request]))


def test_what_an_interrupted_run_has_paid_counts_against_the_budget(tmp_path: Path) -> None:
    request = Request("m", (Message("user", "q"),), {"max_tokens": 5})
    params = {"m": TeacherParams(how="batch", path=str(tmp_path), money=1, tokens=100)}
    prices = [Price.model_validate(lakes.PRICE)]
    (answer,) = Teachers(params, prices, {}).ask("m", [request])
    assert answer.status == "waiting"
    spent = {"m": [Answer("before", "ok", tokens_in=60, tokens_out=39)]}
    (answer,) = Teachers(params, prices, spent).ask("m", [replace(request, sample=1)])
    assert answer.status == "over_budget"
