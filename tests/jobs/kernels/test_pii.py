"""Personal data and secrets become placeholders; what only looks like them in code stays.

The labelled corpus is beside this file: what has to go in `pii_corpus`, what has to stay in `pii_traps`.
"""

import pickle
import random
import re
import sysconfig
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from jobs.kernels.pii import PiiSpan, Redacted, Redactor
from jobs.kernels.pii_validators import VALIDATORS, Finding, build
from tests.jobs.kernels.pii_corpus import ALNUM, DASHES, GITHUB, IP, MAIL, PASSWORD, SECRETS, fake
from tests.jobs.kernels.pii_traps import TRAPS

CONF = Path(__file__).parents[3] / "conf"
RULES = yaml.safe_load((CONF / "pii.yaml").read_text(encoding="utf-8"))
REDACTOR = Redactor.load(RULES)


def test_a_text_comes_back_with_placeholders_and_what_stood_there():
    text = f'# mail {MAIL}\nHOST = "{IP}"\npassword = "{PASSWORD}"\nkey = {GITHUB!r}\n'
    redacted = REDACTOR.redact(text)
    assert redacted.text == '# mail <email>\nHOST = "<ip_address>"\npassword = "<password>"\nkey = \'<key>\'\n'
    assert [text[span.start : span.end] for span in redacted.spans] == [MAIL, IP, PASSWORD, GITHUB]
    assert redacted.spans[0] == PiiSpan("email", 7, 7 + len(MAIL), "<email>", "email")


def counts() -> tuple[int, int, int]:
    """Right, wrong and missed redactions over all cases."""
    right = wrong = missed = 0
    for case in SECRETS + TRAPS:
        spans = REDACTOR.redact(case.text).spans
        got = [(span.kind, case.text[span.start : span.end]) for span in spans]
        hits = sum(expected in got for expected in case.gone)
        right, wrong, missed = right + hits, wrong + len(got) - hits, missed + len(case.gone) - hits
    return right, wrong, missed


def test_precision_and_recall_over_the_labelled_cases_are_what_we_say():
    right, wrong, missed = counts()
    print(f"{len(SECRETS)} secrets, {len(TRAPS)} traps: {right} right, {wrong} wrong, {missed} missed")
    print(f"precision {right / (right + wrong):.3f}, recall {right / (right + missed):.3f}")
    assert len(SECRETS) >= 200 and len(TRAPS) >= 200
    assert (right, wrong, missed) == (219, 5, 8)


@pytest.mark.parametrize("case", SECRETS + TRAPS, ids=lambda case: re.sub(r"\W+", " ", case.text)[:40])
def test_each_case_goes_as_labelled_except_those_known_to_go_wrong(case):
    spans = REDACTOR.redact(case.text).spans
    got = tuple((span.kind, case.text[span.start : span.end]) for span in spans)
    assert (got == case.gone) is not case.known, got


@pytest.mark.parametrize("case", SECRETS, ids=lambda case: re.sub(r"\W+", " ", case.text)[:40])
def test_offsets_hold_among_ascii_umlauts_and_characters_beyond_the_first_plane(case):
    for around in ("", "é", "𝄞", "日本\n", "\ud800"):
        text = f"{around * 3}\n{case.text}\n{around}\n{case.text}"  # some rules want a line of their own
        spans = REDACTOR.redact(text).spans
        values = [(span.kind, text[span.start : span.end]) for span in spans]
        assert values == [(s.kind, case.text[s.start : s.end]) for s in REDACTOR.redact(case.text).spans] * 2


PIECES = [case.text for case in SECRETS + TRAPS] + ["é", "𝄞", ":", ".", "@", "-", " ", "\n", '"', "'", "//", "\\n", "="]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | st.text(alphabet='ab1.@:"=/\\-é𝄞<> ', max_size=80))
def test_a_second_pass_changes_nothing_and_only_the_spans_differ(text):
    once = REDACTOR.redact(text)
    assert REDACTOR.redact(once.text) == Redacted(once.text, ())
    rebuilt, position = "", 0
    for span in once.spans:
        assert position <= span.start < span.end <= len(text)
        rebuilt += text[position : span.start] + span.placeholder
        position = span.end
    assert rebuilt + text[position:] == once.text


def test_of_two_overlapping_findings_the_longer_wins_then_the_left_one_then_the_earlier_rule():
    def redactor(*patterns):
        rules = [{"name": p, "kind": k, "gate": p, "pattern": p} for k, p in patterns]
        return Redactor.load({"placeholders": {"one": "<1>", "two": "<2>"}, "rules": rules})

    assert redactor(("one", "ab"), ("two", "abc")).redact("abcd").text == "<2>d"
    assert redactor(("one", "bc"), ("two", "ab")).redact("abc").text == "<2>c"
    assert redactor(("two", "ab"), ("one", "a.")).redact("ab").text == "<2>"
    assert redactor(("one", "abc"), ("two", "cde"), ("one", "ef")).redact("abcdef").text == "<1>d<1>"


def test_what_a_replacement_uncovers_goes_in_the_same_call():
    text = f"{GITHUB}.b@c-d.de"  # the address holds the token and is longer
    assert REDACTOR.redact(text).text == "<email>"
    text = f"git://{GITHUB},{MAIL}"  # a user of the URL, until `<` ends it
    assert REDACTOR.redact(text).text == "git://<key>,<email>"
    assert [text[span.start : span.end] for span in REDACTOR.redact(text).spans] == [GITHUB, MAIL]


def test_the_same_rules_come_out_of_a_pickle():
    copy = pickle.loads(pickle.dumps(REDACTOR))
    text = "\n".join(case.text for case in SECRETS)
    assert copy.redact(text) == REDACTOR.redact(text)


@pytest.mark.parametrize(
    "unit",
    [
        f"{MAIL} ",
        f"{IP}.",
        f"{IP} ",
        'password="',
        "password='a1!bcdef'",
        f"{DASHES}BEGIN RSA PRIVATE KEY{DASHES}",
        "eyJeyJ.eyJ",
        "a.",
        "a@",
        "://a:b",
        "sk-",
        "2001:",
        "\\n",
        "A",
        "0123 ",
        "DE75 ",
        "A_PASSWORD=a1!bcdef\n",
        "curl -u a:b",
        ".abcdef.",
        "Authorization: Bearer ",
    ],
)
def test_a_long_text_of_nearly_anything_is_read_and_left_clean(unit):
    text = unit * (300_000 // len(unit))
    redacted = REDACTOR.redact(text)
    assert REDACTOR.redact(redacted.text).spans == ()


def test_a_value_longer_than_any_secret_stays():
    text = f'password = "{fake(30_000, ALNUM + "!")}"'
    assert REDACTOR.redact(text).spans == ()
    block = f"{DASHES}BEGIN PRIVATE KEY{DASHES}\n{fake(30_000)}\n{DASHES}END PRIVATE KEY{DASHES}"
    assert REDACTOR.redact(block).spans == ()


def python_re(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern.replace(r"\z", r"\Z"), re.ASCII)


def test_every_gate_is_in_every_match_of_its_pattern_and_python_agrees_on_the_matches():
    text = "\n".join(case.text for case in SECRETS + TRAPS)
    for rule in REDACTOR.rules:
        alone = Redactor([rule])
        pattern, gate = python_re(rule.pattern), python_re(rule.gate)
        valid = [build(*spec) for spec in rule.validators]
        expected = []
        for match in pattern.finditer(text):
            start, end = match.span(match.lastindex or 0)
            line_start = text.rfind("\n", 0, start) + 1
            finding = Finding(text[start:end], text[max(line_start, start - 100) : start], text[end : end + 16])
            if all(validator(finding) for validator in valid):
                expected.append((start, end))
                assert gate.search(match.string[match.start() : match.end()]), rule.name
        assert [(span.start, span.end) for span in alone.redact(text).spans] == expected, rule.name
        assert expected, f"no case for {rule.name}"


@pytest.mark.parametrize(
    "parts", [["AIza", "hf_", "npm_", "glpat-", "sk-", "xoxb-", "SK"], list("0123456789.:"), list("ab.@-:/")]
)
def test_all_gates_at_once_find_what_each_finds_alone(parts):
    draw = random.Random(1)
    text = "".join(draw.choice(parts) for _ in range(100_000))  # as many states as one text can ask of the automaton
    alone = [index for index, rule in enumerate(REDACTOR.rules) if python_re(rule.gate).search(text)]
    assert sorted(REDACTOR._gates.Match(text) or []) == alone


def test_installed_sources_hold_no_secret_and_a_second_pass_finds_nothing():
    library = Path(sysconfig.get_path("purelib"))
    kinds = set()
    for package in ("click", "yaml", "networkx", "urllib3", "pyspark/sql"):
        for path in sorted((library / package).rglob("*.py"))[:40]:
            redacted = REDACTOR.redact(path.read_text(encoding="utf-8"))
            kinds |= {span.kind for span in redacted.spans}
            assert REDACTOR.redact(redacted.text).spans == (), path
    assert kinds == {"email"}


def test_an_empty_text_and_a_text_of_nothing_come_back():
    assert REDACTOR.redact("") == Redacted("", ())
    assert REDACTOR.redact("x = 1\n") == Redacted("x = 1\n", ())


def test_the_configuration_holds_no_interpolation():
    assert "${" not in (CONF / "pii.yaml").read_text(encoding="utf-8")


def test_every_validator_is_used():
    used = {name for rule in REDACTOR.rules for name, _ in rule.validators}
    assert used == set(VALIDATORS)


RULE = {"name": "a", "kind": "key", "gate": "a", "pattern": "a"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "phone"}, "pii.rules.a.kind = 'phone': expected one of key."),
        ({"pattern": "(?=a)"}, "pii.rules.a.pattern = '(?=a)': RE2 refuses it"),
        ({"gate": None}, "pii.rules.a.gate = None: expected text"),
        ({"regex": "a"}, "pii.rules.a has the key 'regex'. Allowed: name, kind, gate, pattern, validators."),
        ({"validators": ["lunh"]}, "pii.rules.a.validators has 'lunh': expected one of account_not"),
        ({"validators": [{"not_in": "no_such_list"}]}, "not_in: 'no_such_list': expected list"),
        ({"validators": [{"length": [1]}]}, "length: (1,): expected pair"),
        ({"validators": [{"entropy": "high"}]}, "entropy: 'high': expected number"),
        ({"validators": [{"entropy": 1, "length": [1, 2]}]}, "expected a name or one {name: argument}"),
    ],
)
def test_rules_that_cannot_be_right_are_refused_with_their_place(change, message):
    with pytest.raises(ValueError) as caught:
        Redactor.load({"placeholders": {"key": "<key>"}, "lists": {}, "rules": [RULE | change]})
    assert message in str(caught.value)
    with pytest.raises(ValueError, match=r"pii has the key 'rule'\. Allowed: placeholders, lists, rules\."):
        Redactor.load({"rule": []})
