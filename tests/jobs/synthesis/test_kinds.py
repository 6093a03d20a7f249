"""Kinds of samples: what is asked, how an answer becomes a draft, and what makes a draft a sample.

draft = drive(KINDS["snippets"].write(seed, settings), answer_of)
"""

from __future__ import annotations

import ast
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from jobs.synthesis import packages
from jobs.synthesis.journal import Journal
from jobs.synthesis.kinds import KINDS, Draft, Rejected, Seed, Settings, drive
from jobs.synthesis.kinds.diverse import specification
from jobs.synthesis.kinds.sections import assertions, blocks, entry_point, sections
from jobs.synthesis.prompts import Template
from jobs.synthesis.teacher import Answer, Request, TeacherError
from jobs.synthesis.verify import Sandboxes, Verified
from jobs.synthesis.waves import waves, write_wave
from lakehouse.config import conf_dir
from lakehouse.errors import MachineError
from lakehouse.sandbox import Limits, languages
from lakehouse.sandbox.tested import mark_of
from tests.jobs.synthesis.lakes import FORMS, PYTHON
from tests.jobs.synthesis.open_rows import CODED, PROSE, open_seed
from tests.jobs.synthesis.writer import OUTCOMES, Writer

SPECIFICATION = {"language": {"Python": 1.0}, "difficulty": {"easy": 0.25, "hard": 0.75}, "type": {"algorithm": 1.0}}
OPTIONS: dict[str, dict[str, Any]] = {
    "package": {"packages": ("attr",), "tests": 4},
    "diverse": {"specification": SPECIFICATION, "tests": 4, "forms": PYTHON},
    "snippets": {"tests": 3.0, "forms": PYTHON},
    "educational": {"score": 3.0, "tests": 10.0},
    "textbooks": {"words": 200.0},
    "multilingual": {"tests": 3, "forms": FORMS},
    "realuser": {"score": 4},
    "infinity": {"score": 3, "answers": "new"},
    "repack": {"data_sets": {"evol": "evol_instruct", "books": "synthetic_qa"}, "characters": 10},
}


def prompts() -> dict[str, Template]:
    files = sorted((conf_dir() / "prompts").glob("*.yaml"))
    return {file.stem: Template.model_validate(yaml.safe_load(file.read_text())) for file in files}


def settings(kind: str, **given: Any) -> Settings:
    return Settings("m", {"max_tokens": 500}, prompts(), re_asks=1, options=OPTIONS[kind], **given)


def seed(kind: str, said: str = "good", number: int = 1) -> Seed:
    if KINDS[kind].open_sets:
        return open_seed(kind, CODED, outcome=said)
    text = f"# outcome: {said}\n# number: {number}\nimport attr\nprint(attr.asdict, '{{{{seed}}}} and more')\n# Add the number.\n"
    return Seed(f"{kind}-{said}-{number}", kind, "python", text)


def draft(kind: str, said: str = "good", of: Seed | None = None, **given: Any) -> Draft:
    teacher = Writer()
    writing = KINDS[kind].write(of or seed(kind, said), settings(kind, **given))
    return drive(writing, lambda r: next(iter(teacher.complete([r]))))


def rejected(kind: str, said: str = "good", of: Seed | None = None, **given: Any) -> Rejected:
    with pytest.raises(Rejected) as verdict:
        draft(kind, said, of, **given)
    return verdict.value


# -- prompts


def test_a_prompt_is_filled_once_and_what_fills_it_is_never_a_template() -> None:
    template = Template(version=1, slots=("a", "b"), system="s", user="{{a}} + {{b}} = {x}")
    assert template.fill({"a": "{{b}}", "b": "2"}) == ("s", "{{b}} + 2 = {x}")


@pytest.mark.parametrize("values", [{}, {"a": "1"}, {"a": "1", "b": "2", "c": "3"}])
def test_a_missing_or_unknown_slot_is_refused_before_anything_is_asked(values: dict[str, str]) -> None:
    template = Template(version=1, slots=("a", "b"), system="", user="{{a}}{{b}}")
    with pytest.raises(ValueError, match=r"a prompt with the slots a, b got .* Nothing was asked"):
        template.fill(values)


def test_slots_must_be_those_in_the_text() -> None:
    with pytest.raises(ValidationError, match=r"declared but not used: \['b'\]; used but not declared: \['c'\]"):
        Template(version=1, slots=("a", "b"), system="{{a}}", user="{{c}}")


def test_a_changed_text_is_another_template_even_under_the_same_version() -> None:
    one = Template(version=1, slots=("a",), system="", user="{{a}}")
    assert one.label("x").startswith("x@1:")
    assert one.label("x") != one.model_copy(update={"user": "{{a}}!"}).label("x")


def test_every_prompt_that_comes_with_codelake_is_used_and_has_its_slots() -> None:
    needed = {prompt for kind in KINDS.values() for prompt in kind.prompts}
    assert needed == {name.removesuffix("-small") for name in prompts()}
    for small in (name for name in prompts() if name.endswith("-small")):  # for small models; takes the other's place
        assert set(prompts()[small].slots) == set(prompts()[small.removesuffix("-small")].slots)
    for kind in KINDS:
        assert draft(kind, of=open_seed(kind, PROSE, source="evol") if kind == "repack" else None).output


# -- parsing answers


def test_sections_are_found_however_the_headings_are_spelled() -> None:
    text = "Sure.\n### task:\nDo it.\n## **Solution**\n```python\n# Task\nx = 1\n```\n"
    assert sections(text, ("Task", "Solution")) == {"Task": "Do it.", "Solution": "```python\n# Task\nx = 1\n```"}
    assert blocks(text) == ["# Task\nx = 1\n"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("## Task\nx", "section_missing"),
        ("## Task\n\n## Solution\nx", "section_missing"),
        ("## Task\nx\n## Solution\ny\n## Task\nz", "section_twice"),
    ],
)
def test_a_missing_empty_or_repeated_section_is_a_reason(text: str, reason: str) -> None:
    with pytest.raises(Rejected) as verdict:
        sections(text, ("Task", "Solution"))
    assert verdict.value.reason == reason


def test_only_assertions_are_tests_and_they_must_call_the_solution() -> None:
    assert assertions("assert f(1) == 2\nassert g(\n  3)") == ("assert f(1) == 2", "assert g(\n  3)")
    for code, reason in (("import os\nassert f(1)", "not_only_asserts"), ("assert f(", "syntax")):
        with pytest.raises(Rejected) as verdict:
            assertions(code)
        assert verdict.value.reason == reason
    code = "def help(): pass\ndef f(x): pass\n"
    assert entry_point(code, ("assert f(1)", "assert f(2)")) == "f"
    with pytest.raises(Rejected, match="no_entry_point"):
        entry_point(code, ("assert f(1)", "assert other(2)"))


def in_language(said: str, language: str) -> Seed:
    return Seed(f"{language}-{said}", "multilingual", language, f"# outcome: {said}\n# number: 1\n")


@pytest.mark.parametrize("language", ["javascript", "go", "java", "cpp", "rust", "shell", "python"])
def test_a_task_is_set_in_the_language_of_its_seed_with_tests_as_that_language_has_them(language: str) -> None:
    made = draft("multilingual", of=in_language("good", language))
    assert (made.language, made.entry_point, len(made.tests)) == (language, "plus", 3)
    assert all("plus" in test and not test.endswith(";") for test in made.tests)
    assert made.code in made.output
    request = next(KINDS["multilingual"].write(in_language("good", language), settings("multilingual")))
    text = request.messages[1].content
    assert FORMS[language]["solution"] in text and FORMS[language]["test"] in text
    snippet = draft("snippets", of=replace(in_language("good", language), kind="snippets"))
    assert snippet.language == "python"  # the only one that its settings have a form for


def test_a_language_without_a_form_is_a_reason() -> None:
    assert rejected("multilingual", of=in_language("good", "cobol")).reason == "no_form"
    only_go = settings("snippets")
    only_go = replace(only_go, options={"tests": 3, "forms": {"go": FORMS["go"]}})
    with pytest.raises(Rejected, match="no_form"):
        next(KINDS["snippets"].write(seed("snippets"), only_go))
    assert tuple(FORMS) == languages.LANGUAGES


def test_hostile_text_is_a_reason_and_not_an_error() -> None:
    for code in ("(" * 100_000, "\0", "x = " + "-" * 100_000 + "1"):
        with pytest.raises(Rejected):
            assertions(code)


# -- the kinds


def test_an_educational_sample_has_a_task_a_solution_and_ten_tests() -> None:
    made = draft("educational")
    assert made.entry_point == "plus"
    assert len(made.tests) == 10
    assert made.scores == {"educational": 4.0}
    assert "plus(x)" in made.instruction
    assert made.code in made.output
    assert "One addition." in made.output


def test_a_snippet_is_code_with_tests_and_a_textbook_is_prose_around_code() -> None:
    assert draft("snippets").output == draft("snippets").code
    assert len(draft("snippets").tests) == 4
    chapter = draft("textbooks")
    assert chapter.tests == ()
    assert "def plus" in chapter.instruction


@pytest.mark.parametrize(
    ("kind", "said", "reason"),
    [
        ("snippets", "chatter", "code_blocks"),
        ("snippets", "few tests", "too_few_tests"),
        ("educational", "chatter", "section_missing"),
        ("educational", "few tests", "wrong_number_of_tests"),
        ("educational", "low score", "low_score"),
        ("package", "wrong", "no_such_api"),
        ("package", "chatter", "api_not_used"),
        ("diverse", "chatter", "no_sentences"),
        ("multilingual", "chatter", "section_missing"),
        ("multilingual", "few tests", "wrong_number_of_tests"),
        ("realuser", "low score", "not_code"),
        ("realuser", "empty", "no_request"),
        ("realuser", "elsewhere", "no_such_answer"),
        ("realuser", "broken", "unsound_answer"),
        ("infinity", "low score", "not_code"),
        ("infinity", "broken", "unsound_answer"),
    ],
)
def test_what_is_no_sample_says_why(kind: str, said: str, reason: str) -> None:
    assert rejected(kind, said).reason == reason


def test_the_documentation_in_the_prompt_is_that_of_the_installed_version() -> None:
    from importlib.metadata import version

    request = next(KINDS["package"].write(seed("package"), settings("package")))
    text = request.messages[1].content
    assert f"attr {version('attrs')}" in text
    assert "needs at least one of these: attr.asdict." in text
    assert "asdict(inst" in text
    assert "Return the *attrs* attribute values of *inst* as a dict." in text
    made = draft("package")
    assert made.labels == ("package=attr", f"version={version('attrs')}")


def test_names_are_followed_through_aliases_and_looked_up_in_the_package() -> None:
    code = "import os.path as p, json\nfrom json import dumps as d, decoder\np.join(1)\njson.loads(x).y\nd(1)\ndecoder.scanner"
    used = packages.names_used(ast.parse(code), "json")
    assert used == {"json", "json.dumps", "json.decoder", "json.loads", "json.decoder.scanner"}
    assert packages.names_used(ast.parse(code), "os") == {"os.path", "os.path.join"}
    assert all(map(packages.exists, used))
    assert packages.exists("xml.etree.ElementTree.parse")  # a submodule that nobody has imported yet
    assert not any(map(packages.exists, ("json.lods", "json.decoder.x.y", "nobody_has_this.x", "xml.etre.ElementTree")))
    with pytest.raises(TeacherError, match="'nobody_has_this' is not installed here"):
        packages.package("nobody_has_this")


def test_what_is_run_of_a_diverse_sample_is_the_refined_answer() -> None:
    made = draft("diverse", "wrong")
    assert "x - 1" in made.code
    assert "Adding is enough." in made.output
    assert made.code in made.output


def test_the_task_specification_holds_over_many_seeds() -> None:
    drawn = [specification(f"seed {i}", SPECIFICATION)["difficulty"] for i in range(4000)]
    assert abs(drawn.count("easy") / 4000 - 0.25) < 0.02  # three standard deviations
    assert specification("seed 7", SPECIFICATION) == specification("seed 7", SPECIFICATION)


def test_an_answer_against_the_schema_is_asked_for_again_and_only_so_often() -> None:
    teacher, asked = Writer(), list[Request]()

    def answer(request: Request) -> Answer:
        asked.append(request)
        return next(iter(teacher.complete([request])))

    kind = KINDS["educational"]
    assert drive(kind.write(seed("educational", "schema"), settings("educational")), answer).tests
    assert [len(request.messages) for request in asked] == [2, 4, 2]
    assert "'high' is not of type 'integer'" in asked[1].messages[-1].content
    with pytest.raises(Rejected, match="schema"):
        drive(kind.write(seed("educational"), settings("educational")), lambda r: Answer(r.id, "ok", text="no JSON"))


def test_an_answer_that_was_cut_off_or_failed_is_no_sample() -> None:
    for answer, reason in ((Answer("", "ok", finish="length"), "cut_off"), (Answer("", "over_budget"), "over_budget")):
        with pytest.raises(Rejected) as verdict:
            drive(KINDS["snippets"].write(seed("snippets"), settings("snippets")), lambda _, a=answer: a)
        assert verdict.value.reason == reason


# -- open sets


def test_a_good_answer_of_a_user_s_dialogue_stays_and_a_poor_one_is_written_anew_beside_the_old() -> None:
    kept, new = draft("realuser", "good"), draft("realuser", "poor")
    assert (kept.instruction, kept.output, kept.original) == ("Add two numbers.", CODED[-1][1], None)
    assert (kept.labels, kept.scores) == (("answer=kept",), {"answer": 5.0})
    assert (new.instruction, new.original, new.labels) == ("Add two numbers.", CODED[1][1], ("answer=rewritten",))
    assert "def plus" in new.output and new.output != new.original
    torn = open_seed("realuser", [("user", "Help?"), ("assistant", "```python\nnever closed")], outcome="first")
    assert draft("realuser", of=torn).labels == ("answer=rewritten",)  # it was called good, and is not


def test_a_dialogue_is_shown_whole_with_its_answers_numbered() -> None:
    request = next(KINDS["realuser"].write(open_seed("realuser", CODED), settings("realuser")))
    text = request.messages[1].content
    assert "a conversation with 2 numbered answers" in text
    assert f"[Answer 1]\n{CODED[1][1]}\n\n[User]\n{CODED[2][1]}\n\n[Answer 2]\n" in text


def test_a_choice_leaves_its_score_and_another_limit_decides_again_from_the_same_answer() -> None:
    teacher = Writer()

    def decided(said: str, score: int, answers: str) -> Draft | Rejected:
        changed = replace(settings("infinity"), options={"score": score, "answers": answers})
        writing = KINDS["infinity"].write(open_seed("infinity", CODED, outcome=said), changed)
        try:
            return drive(writing, lambda r: next(iter(teacher.complete([r]))))
        except Rejected as verdict:
            return verdict

    sure, unsure, no = (decided("good", 3, "kept"), decided("unsure", 3, "kept"), decided("low score", 3, "kept"))
    assert isinstance(sure, Draft) and (sure.output, sure.original) == (CODED[1][1], None)
    assert isinstance(unsure, Rejected) and (unsure.reason, unsure.scores) == ("not_code", {"about_code": 2.0})
    assert isinstance(no, Rejected) and no.scores == {"about_code": -4.0}
    asked = sum(teacher.asked.values())
    again = decided("unsure", 2, "kept")
    assert isinstance(again, Draft) and again.scores == {"about_code": 2.0}
    assert sum(teacher.asked.values()) == asked + 1 and len(teacher.asked) == asked  # the very same request
    new = decided("good", 3, "new")
    assert isinstance(new, Draft) and new.original == CODED[1][1] and new.output != new.original
    assert rejected("infinity", of=open_seed("infinity", [("assistant", "a text")])).reason == "not_one_exchange"


def test_an_open_set_is_repacked_without_asking_and_what_does_not_fit_the_shape_says_why() -> None:
    row = [("user", "Add."), ("assistant", "```python\nx = 1 + 1\n```")]
    made = draft("repack", of=open_seed("repack", row, source="evol", seq_id="7"))
    assert (made.instruction, made.output, made.code) == ("Add.", row[1][1], "")
    assert made.labels == ("data_set=evol_instruct", "seq_id=7")
    tested = open_seed(
        "repack", row, source="evol", code="def f(): return 2\n", entry_point="f", testcase=["assert f() == 2"]
    )
    assert draft("repack", of=tested).tests == ("assert f() == 2",)
    text = draft("repack", of=open_seed("repack", [("assistant", "A chapter on queues.")], source="books"))
    assert (text.instruction, text.output, text.labels) == ("", "A chapter on queues.", ("data_set=synthetic_qa",))
    reasons = {
        "not_one_exchange": (CODED, "evol"),
        "not_one_text": (PROSE, "books"),
        "unsound_answer": ([("user", "Add."), ("assistant", "```python\nx = (\n```")], "evol"),
        "too_short": ([("user", "Add."), ("assistant", "2")], "evol"),
        "no_data_set": (PROSE, "other"),
    }
    for reason, (messages, source) in reasons.items():
        assert rejected("repack", of=open_seed("repack", messages, source=source)).reason == reason


# -- verification


LIMITS = Limits.default().model_copy(update={"cpu_seconds": 1, "wall_seconds": 120.0})


def verified(drafts: list[Draft], kind: str, limits: Limits = LIMITS) -> list[Verified]:
    with closing(Sandboxes(limits)) as sandboxes:
        try:
            return sandboxes.verify(drafts, KINDS[kind])
        except MachineError as error:
            pytest.skip(f"no sandbox on this machine: {error}")


def test_a_draft_is_accepted_only_when_its_tests_pass_twice_and_fail_on_a_stub() -> None:
    said = ("good", "wrong", "proves nothing", "flaky", "endless", "exit")
    *found, prose = verified([*(draft("snippets", s) for s in said), draft("textbooks")], "snippets")
    results = dict(zip(said, found, strict=True))
    reasons = {s: (v.accepted, v.reason) for s, v in results.items()}
    assert reasons == {
        "good": (True, ""),
        "wrong": (False, "not_passed"),
        "proves nothing": (False, "tests_prove_nothing"),
        "flaky": (False, "flaky"),
        "endless": (False, "not_passed"),
        "exit": (False, "not_passed"),
    }
    assert [results[s].verdict.end for s in ("wrong", "endless", "exit")] == ["failed", "cpu_limit", "exited"]  # type: ignore[union-attr]
    assert results["good"].control in ("failed", "error")
    assert prose.accepted


def lucky_once(good: Draft) -> Draft:
    """The same with a function that is right in the first program and wrong in the second."""
    for salt in range(1000):
        code = (
            f"// {salt}\nfunction plus(x) {{ const own = require('fs').readFileSync(__filename, 'utf8');\n"
            "  return x + (/mark-[0-9a-f]{23}[0-7]/.test(own) ? 1 : 0); }\n"
        )
        first, second = (mark_of(code, good.tests, seed)[-1] < "8" for seed in (0, 1))
        if first and not second:
            return replace(good, code=code)
    raise AssertionError("not reached")


def test_other_languages_are_judged_by_the_same_rules_or_say_what_is_missing() -> None:
    said = ("good", "wrong", "proves nothing", "exit", "flaky")
    drafts = [draft("multilingual", s, in_language(s, "javascript")) for s in said[:-1]]
    drafts.append(lucky_once(drafts[0]))
    strange = replace(drafts[0], language="cobol")
    *found, unknown = verified([*drafts, strange], "multilingual", LIMITS.model_copy(update={"cpu_seconds": 5}))
    assert (unknown.accepted, unknown.reason, unknown.verdict) == (False, "no_toolchain", None)
    assert "programs in cobol are not run" in unknown.detail
    if found[0].reason == "no_toolchain":
        pytest.skip(found[0].detail)
    assert {s: v.reason for s, v in zip(said, found, strict=True)} == {
        "good": "",
        "wrong": "not_passed",
        "proves nothing": "tests_prove_nothing",
        "exit": "not_passed",
        "flaky": "flaky",
    }
    assert [v.verdict.end for v in found if v.verdict] == ["passed", "failed", "passed", "exited", "passed"]
    assert (found[0].control, found[2].control) == ("failed", "passed")


def test_without_the_toolchain_nothing_is_run_and_without_a_stub_nothing_is_proved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hidden = replace(draft("multilingual", "good", in_language("good", "shell")), entry_point="never_defined")
    (no_stub,) = verified([hidden], "multilingual")
    assert (no_stub.accepted, no_stub.reason) == (False, "no_control")

    def missing(name: str) -> None:
        raise MachineError(f"{name} is not on this machine")

    monkeypatch.setattr("jobs.synthesis.verify.find", missing)
    (absent,) = verified([hidden], "multilingual")
    assert (absent.reason, absent.detail, absent.verdict) == ("no_toolchain", "shell is not on this machine", None)


# -- waves and the journal


def write(tmp_path: Path, teacher: Writer, said: tuple[str, ...] = OUTCOMES, stop: int | None = None) -> list[Any]:
    """Write one educational sample per outcome, keeping answers in a journal; `stop`: die after so many answers."""
    tasks = [(seed("educational", s), settings("educational")) for s in said]
    with Journal(tmp_path) as journal:
        kept = 0

        def keep(seed_id: str, answer: Answer) -> None:
            nonlocal kept
            kept += 1
            if stop is not None and kept > stop:
                raise KeyboardInterrupt
            journal.keep(seed_id, answer)

        done = []
        for wave in waves(tasks, 4):
            done += write_wave(wave, KINDS["educational"], teacher, lambda _, key: journal.get(key), keep)
        return done


def test_samples_of_a_wave_are_written_to_their_end_in_the_order_of_their_seeds(tmp_path: Path) -> None:
    done = write(tmp_path, Writer())
    assert [w.seed.seed_id for w in done] == [f"educational-{s}-1" for s in OUTCOMES]
    reasons = {s: w.reason for s, w in zip(OUTCOMES, done, strict=True)}
    assert reasons["good"] == ""
    assert (reasons["chatter"], reasons["low score"]) == ("section_missing", "low_score")
    assert [len(w.exchanges) for w in done if w.seed.seed_id in ("educational-good-1", "educational-low score-1")] == [
        2,
        1,
    ]


@pytest.mark.parametrize("stop", [0, 1, 5, 12])
def test_what_was_answered_before_a_crash_is_not_asked_again(tmp_path: Path, stop: int) -> None:
    teacher = Writer()
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path, teacher, stop=stop)
    before = dict(teacher.asked)
    resumed = write(tmp_path, teacher)
    twice = {key for key, count in teacher.asked.items() if count > 1}
    assert len(twice) == 1  # the answer that was on its way
    assert twice <= before.keys()
    (tmp_path / "fresh").mkdir()
    fresh = write(tmp_path / "fresh", Writer())
    assert [(w.reason, w.draft) for w in fresh] == [(w.reason, w.draft) for w in resumed]
    again = Writer()
    assert [(w.reason, w.draft) for w in write(tmp_path, again)] == [(w.reason, w.draft) for w in resumed]
    assert again.asked == {}


def test_a_failed_answer_is_a_reason_and_is_asked_again_next_time(tmp_path: Path) -> None:
    first = KINDS["educational"].write(seed("educational"), settings("educational"))
    request = next(first)
    (written,) = write(tmp_path, Writer(fail=[request.id]), ("good",))
    assert (written.reason, written.detail) == ("failed", "overloaded")
    (written,) = write(tmp_path, Writer(), ("good",))
    assert written.reason == ""


def test_the_journal_forgets_what_is_saved_or_whose_seed_is_gone(tmp_path: Path) -> None:
    with Journal(tmp_path) as journal:
        for seed_id, key in (("s", "a"), ("s", "b"), ("t", "c")):
            journal.keep(seed_id, Answer(key, "ok", text=key))
        journal.drop(["a"])
        journal.forget(["t"])
    with Journal(tmp_path) as journal:
        assert [a.text for a in journal.answers()] == ["b"]
        assert journal.get("b") == Answer("b", "ok", text="b")
        assert journal.seed_ids() == {"s"}


def test_waves_take_tasks_only_as_they_are_needed() -> None:
    taken = []
    stream = ((taken.append(i) or i) for i in range(100))
    first = next(waves(stream, 7))  # type: ignore[arg-type]
    assert first == list(range(7))
    assert taken == first
