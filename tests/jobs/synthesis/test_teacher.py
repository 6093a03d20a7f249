"""Teachers: every request gets exactly one answer, whatever the other side does, and never more is spent than allowed.

teacher = Endpoint("http://localhost:8000/v1", Budget(price, money=1.0, tokens=1_000_000))
for answer in teacher.complete(requests): ...
"""

from __future__ import annotations

import datetime
import json
import threading
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.synthesis.teacher import (
    BatchFiles,
    Budget,
    Endpoint,
    Message,
    Price,
    Prices,
    Recorded,
    Recorder,
    Request,
    TeacherError,
)
from jobs.synthesis.teacher.pace import Pace
from tests.jobs.synthesis.servers import BAD, Server

PRICE = Price(
    model="m", since=datetime.date(2026, 1, 1), until=None, per_million_in=1.0, per_million_out=2.0, terms="free"
)
PLENTY = {"money": 1e6, "tokens": 10**9}


def ask(text: str, sample: int = 0, **parameters: object) -> Request:
    given = {"max_tokens": 50, "temperature": 1.0, **parameters}
    return Request("m", (Message("system", "be brief"), Message("user", text)), given, None, "t@1", sample)


def endpoint(server: Server, budget: Budget | None = None, **given: object) -> Endpoint:
    settings = {"timeout_seconds": 1.5, "first_pause": 0.01, "most_at_once": 8, **given}
    return Endpoint(server.url, budget or Budget(PRICE, **PLENTY), **settings)  # type: ignore[arg-type]


def test_requests_are_answered_by_text_with_tokens_and_money() -> None:
    with Server() as server:
        answers = {a.request_id: a for a in endpoint(server).complete([ask(f"question {i}") for i in range(20)])}
    one = answers[ask("question 7").id]
    assert (one.status, one.text, one.finish, one.attempts) == ("ok", "answer to: question 7", "stop", 1)
    assert one.tokens_in > 0
    assert one.money == pytest.approx((one.tokens_in + 2 * one.tokens_out) / 1e6)
    assert len(answers) == 20


@pytest.mark.parametrize("fault", BAD)
def test_one_fault_of_each_kind_costs_another_attempt_and_no_answer(fault: str) -> None:
    with Server(faults=[fault]) as server:
        answers = list(endpoint(server).complete([ask(f"q{i}") for i in range(3)]))
    assert [a.status for a in answers] == ["ok"] * 3, answers
    assert all(a.attempts == 2 for a in answers)
    assert set(server.delivered.values()) == {1}


def test_a_storm_of_everything_loses_nothing_and_pays_nothing_twice() -> None:
    faults = ["429", "503", "429", "half", "500", "invalid", "dropped", "two", "429"]
    requests = [ask(f"question {i}") for i in range(40)]
    budget = Budget(PRICE, **PLENTY)
    with Server(faults=faults, spread=True) as server:
        answers = list(endpoint(server, budget, first_pause=0.001).complete(requests))
    assert Counter(a.request_id for a in answers) == Counter(r.id for r in requests)
    good = [a for a in answers if a.status == "ok"]
    # Two of the three faults that may be billed are too many for some; those say so.
    assert {a.problem for a in answers if a.status == "failed"} <= {"bad_answer", "dropped"}
    assert len(good) >= 20
    assert all(count == 1 for count in server.delivered.values())
    assert sum(server.delivered.values()) == len(good)
    assert budget.spent_tokens >= server.tokens
    assert budget.spent_money == pytest.approx(sum(a.money for a in answers))


def test_a_server_that_only_refuses_ends_in_failed_answers() -> None:
    with Server(faults=["500"] * 99) as server:
        (answer,) = endpoint(server, first_pause=0.001).complete([ask("q")])
    assert (answer.status, answer.problem, answer.attempts) == ("failed", "overloaded", 8)
    assert "HTTP 500" in answer.detail
    assert answer.money == 0


def test_a_server_that_is_not_there_is_named() -> None:
    server = Server()
    server._server.server_close()
    (answer,) = endpoint(server, first_pause=0.001).complete([ask("q")])
    assert (answer.status, answer.problem) == ("failed", "unreachable")


def test_a_wrong_key_stops_everything_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROBE_KEY", "sk-never-to-be-shown")
    with Server(faults=["401"] * 9) as server, pytest.raises(TeacherError, match="HTTP 401") as said:
        list(endpoint(server, key_variable="PROBE_KEY").complete([ask(f"q{i}") for i in range(50)]))
    assert "never-to-be-shown" not in str(said.value)
    assert server.headers[0]["authorization"] == "Bearer sk-never-to-be-shown"
    assert sum(server.requests.values()) <= 8
    monkeypatch.delenv("PROBE_KEY")
    with pytest.raises(TeacherError, match="PROBE_KEY is empty or not set"):
        endpoint(server, key_variable="PROBE_KEY")


@pytest.mark.parametrize("faults", [[], ["half", "429"], ["invalid", "drip"]])
def test_the_budget_is_never_exceeded(faults: list[str]) -> None:
    requests = [ask(f"question {i}") for i in range(30)]
    tokens = sum(requests[0].most_tokens) * 22 // 10
    budget = Budget(PRICE, money=1e6, tokens=tokens)
    with Server(faults=faults, spread=True) as server:
        answers = list(endpoint(server, budget, timeout_seconds=0.5).complete(requests))
    statuses = Counter(a.status for a in answers)
    assert sum(statuses.values()) == 30
    assert statuses["over_budget"] > 0
    assert server.tokens <= budget.spent_tokens <= tokens
    short = Budget(PRICE, money=PRICE.money(*requests[0].most_tokens) * 3.5, tokens=10**9)
    with Server() as server:
        answers = list(endpoint(server, short).complete(requests))
    assert short.spent_money <= PRICE.money(*requests[0].most_tokens) * 3.5
    assert Counter(a.status for a in answers)["over_budget"] > 0


def test_who_stops_listening_stops_paying() -> None:
    with Server() as server:
        answers = endpoint(server, most_at_once=2).complete([ask(f"q{i}") for i in range(200)])
        next(answers)
        answers.close()
        assert sum(server.requests.values()) < 20


def test_the_pace_grows_with_success_and_halves_once_per_round() -> None:
    clock = [0.0]
    pace = Pace(64, now=lambda: clock[0], start=4, wait=lambda s: clock.__setitem__(0, clock[0] + s))
    for _ in range(200):
        clock[0] += 1
        pace.leave(pace.enter())
    grown = pace.limit
    assert grown > 10
    entered = [pace.enter() for _ in range(4)]
    clock[0] += 1
    for at in entered:
        pace.leave(at, too_much=True)
    assert pace.limit == grown // 2
    at = pace.enter()
    pace.leave(at, too_much=True, pause=30)
    before = clock[0]
    pace.leave(pace.enter())
    assert clock[0] >= before + 30


def test_the_server_never_sees_more_than_the_limit_at_once() -> None:
    with Server(reply=lambda _: threading.Event().wait(0.02) or "x") as server:
        list(endpoint(server, most_at_once=3).complete([ask(f"q{i}") for i in range(30)]))
    assert server.most_at_once <= 3


@given(st.lists(st.tuples(st.integers(1, 400), st.booleans()), max_size=40), st.integers(0, 5000))
def test_whatever_the_order_what_is_spent_and_held_stays_within(steps: list[tuple[int, bool]], tokens: int) -> None:
    budget = Budget(PRICE, money=1e9, tokens=tokens)
    held: list[tuple[str, int]] = []
    for i, (size, lose) in enumerate(steps):
        request = ask("x" * size)
        most = sum(request.most_tokens)
        if budget.spent_tokens + sum(m for _, m in held) + most <= tokens:
            assert budget.hold(request, str(i))
            held.append((str(i), most))
        elif held:
            key, worst = held.pop()
            if lose:
                budget.lose(key)
            else:
                budget.settle(key, worst // 2, 0)
        assert budget.spent_tokens + sum(m for _, m in held) <= tokens


def test_a_price_holds_for_its_days_and_an_unknown_model_is_refused() -> None:
    later = PRICE.model_copy(update={"since": datetime.date(2026, 7, 1), "per_million_in": 9.0})
    prices = Prices([PRICE.model_copy(update={"until": datetime.date(2026, 6, 30)}), later])
    assert prices.of("m", datetime.date(2026, 6, 30)).per_million_in == 1.0
    assert prices.of("m", datetime.date(2026, 7, 1)).per_million_in == 9.0
    with pytest.raises(ValueError, match=r"no price of 'other'.*Models with prices: m"):
        prices.of("other", datetime.date(2026, 6, 30))
    with pytest.raises(ValueError, match="no price of 'm' on 2025"):
        prices.of("m", datetime.date(2025, 1, 1))
    with pytest.raises(ValueError, match="before it begins"):
        Price.model_validate(later.model_dump() | {"until": "2026-01-01"})


def test_a_request_is_named_by_everything_that_shapes_its_answer() -> None:
    one = ask("q")
    others = [ask("p"), ask("q", 1), ask("q", temperature=0.5), Request("n", one.messages, one.parameters, None, "t@1")]
    others += [Request("m", one.messages, one.parameters, {"type": "object"}, "t@1")]
    others += [Request("m", one.messages, one.parameters, None, "t@2")]
    assert len({one.id, *(r.id for r in others)}) == 7
    assert ask("q").id == one.id
    assert Request.parse(one.canonical) == one
    assert Request("m", one.messages, dict(reversed(one.parameters.items())), None, "t@1").id == one.id


def test_samples_of_one_prompt_have_seeds_of_their_own_and_a_schema_travels() -> None:
    assert ask("q", 3, seed=100).body()["seed"] == 103
    assert "seed" not in ask("q", 3).body()
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    body = Request("m", ask("q").messages, {"max_tokens": 5}, schema).body()
    assert body["response_format"]["json_schema"]["schema"] == schema


def test_recorded_answers_replay_and_a_miss_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    requests = [ask(f"q{i}") for i in range(5)]
    with Server() as server:
        live = list(Recorder(endpoint(server), file).complete(requests))
        again = list(Recorded(file).complete(requests))
        assert sum(server.requests.values()) == 5
    assert sorted(again, key=lambda a: a.request_id) == sorted(live, key=lambda a: a.request_id)
    with pytest.raises(TeacherError, match="1 of 2 requests are not recorded, such as"):
        list(Recorded(file).complete([requests[0], ask("never")]))
    file.write_text("{}\n")
    with pytest.raises(TeacherError, match=r"answers.jsonl:1: no recorded answer"):
        Recorded(file)


def result(request: Request, text: str = "done", status: int = 200) -> str:
    body = {
        "choices": [{"message": {"content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    return json.dumps({"custom_id": request.id, "response": {"status_code": status, "body": body}, "error": None})


def test_a_batch_is_written_once_and_read_when_it_comes(tmp_path: Path) -> None:
    requests = [ask(f"q{i}") for i in range(7)]
    teacher = BatchFiles(tmp_path, Budget(PRICE, **PLENTY), per_file=3)
    assert {a.status for a in teacher.complete(requests)} == {"waiting"}
    assert {a.status for a in teacher.complete(requests)} == {"waiting"}
    written = [json.loads(line) for f in sorted(tmp_path.glob("requests-*")) for line in f.read_text().splitlines()]
    assert sorted(line["custom_id"] for line in written) == sorted(r.id for r in requests)
    assert len(list(tmp_path.glob("requests-*"))) == 3
    assert all(line["url"] == "/v1/chat/completions" and line["body"]["model"] == "m" for line in written)
    lines = [result(r) for r in requests[:4]] + [result(requests[4], status=500)]
    (tmp_path / "results.jsonl").write_text("\n".join(lines) + "\n")
    answers = {a.request_id: a for a in teacher.complete(requests)}
    assert [answers[r.id].status for r in requests] == ["ok"] * 4 + ["failed"] + ["waiting"] * 2
    assert answers[requests[0].id].money == pytest.approx((3 + 2 * 4) / 1e6)
    # A resubmitted request that succeeds elsewhere replaces its failure.
    (tmp_path / "results-again.jsonl").write_text(result(requests[4]) + "\n")
    assert {a.request_id: a.status for a in teacher.complete(requests)}[requests[4].id] == "ok"
    (tmp_path / "results-other.jsonl").write_text(result(requests[0], "another") + "\n")
    with pytest.raises(TeacherError, match="a second, different answer"):
        list(teacher.complete(requests))


def test_a_damaged_batch_file_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "results.jsonl").write_text(result(ask("q")) + '\n{"custom_id": "x", "resp')
    with pytest.raises(TeacherError, match=r"results.jsonl:2: no line of a batch"):
        list(BatchFiles(tmp_path, Budget(PRICE, **PLENTY)).complete([ask("q")]))
