"""Solutions with tests in other languages: which test did not hold, what a stub says, and that ending early is no success.

run_tests(find("go"), "package main\nfunc add(a, b int) int { return a + b }", ["add(2, 3) == 5"], limits=limits).passed
"""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import MachineError
from lakehouse.sandbox import Limits, Verdict
from lakehouse.sandbox.definitions import definitions
from lakehouse.sandbox.languages import find
from lakehouse.sandbox.stub import stub_of
from lakehouse.sandbox.tested import TESTED, assembled, run_tests


@dataclass(frozen=True)
class Case:
    """`solution` is right for all of `tests`, `wrong` for none but the first; `early` ends before any is run."""

    solution: str
    tests: tuple[str, ...]
    wrong: str
    early: str


CASES = {
    "javascript": Case(
        "// evens(xs) {\nfunction evens(xs) { return xs.filter(x => x % 2 === 0); }\n",
        ("same(evens([]), [])", "same(evens([1, 2, 4]), [2, 4])"),
        "function evens(xs) { return []; }\n",
        "function evens(xs) { console.log('all is well'); process.exit(0); }\n",
    ),
    "go": Case(
        'package main\n\nimport "sort"\n\nfunc smallest(xs []int) (int, error) {\n\tsort.Ints(xs)\n\treturn xs[0], nil\n}\n'
        "func sorted(xs []int) []int {\n\tn, _ := smallest(xs)\n\t_ = n\n\treturn xs\n}\n",
        ("same(len(sorted([]int{0})), 1)", "same(sorted([]int{2, 1}), []int{1, 2})"),
        "package main\n\nfunc sorted(xs []int) []int {\n\treturn xs\n}\n",
        'package main\n\nimport "os"\n\nfunc sorted(xs []int) []int {\n\tos.Exit(0)\n\treturn xs\n}\n',
    ),
    "java": Case(
        "import java.util.*;\n\npublic class Solution {\n    static List<Integer> twice(List<Integer> xs) {\n"
        "        List<Integer> out = new ArrayList<>(xs);\n        out.addAll(xs);\n        return out;\n    }\n}\n",
        ("same(Solution.twice(java.util.List.of()), java.util.List.of())", "Solution.twice(java.util.List.of(1)).size() == 2"),
        "import java.util.*;\nclass Solution { static List<Integer> twice(List<Integer> xs) { return xs; } }\n",
        "import java.util.*;\nclass Solution { static List<Integer> twice(List<Integer> xs) { System.exit(0); return xs; } }\n",
    ),
    "cpp": Case(
        "#include <string>\nstd::string twice(const std::string &s) { return s + s; }\n",
        ('twice("") == ""', 'twice("ab") == "abab"'),
        "#include <string>\nstd::string twice(const std::string &s) { return s; }\n",
        "#include <cstdlib>\n#include <string>\nstd::string twice(const std::string &s) { std::exit(0); }\n",
    ),
    "rust": Case(
        "fn total(xs: &[i64]) -> Option<i64> { if xs.is_empty() { None } else { Some(xs.iter().sum()) } }\n",
        ("total(&[]) == None", "total(&[1, 2]) == Some(3)"),
        "fn total(_: &[i64]) -> Option<i64> { None }\n",
        "fn total(_: &[i64]) -> Option<i64> { std::process::exit(0) }\n",
    ),
    "shell": Case(
        "repeat() { local out=; for ((i = 0; i < $2; i++)); do out+=$1; done; echo \"$out\"; }\n",
        ('[ "$(repeat ab 0)" = "" ]', '[ "$(repeat ab 2)" = abab ]'),
        "repeat() { echo; }\n",
        "repeat() { :; }\nexit 0\n",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def limits() -> Limits:
    return Limits.default().model_copy(update={"wall_seconds": 240.0, "cpu_seconds": 10})


def ran(name: str, solution: str, tests: tuple[str, ...], limits: Limits) -> Verdict:
    try:
        return run_tests(find(name), solution, tests, limits=limits)
    except MachineError as error:
        pytest.skip(f"not on this machine: {error}")


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow) if n == "go" else n for n in TESTED])
def test_tests_hold_on_the_solution_and_name_what_does_not_hold_on_another(name: str, limits: Limits) -> None:
    case = CASES[name]
    good = ran(name, case.solution, case.tests, limits)
    assert good.passed, good
    wrong = ran(name, case.wrong, case.tests, limits)
    assert (wrong.end, wrong.where, wrong.line) == ("failed", "tests", 2), wrong
    assert case.tests[1] in wrong.detail
    early = ran(name, case.early, case.tests, limits)
    assert (early.end, early.where) == ("exited", "solution"), early
    function = next(d.name for d in definitions(name, case.solution) if all(d.name in test for test in case.tests))
    control = stub_of(name, case.solution, function)
    assert control is not None
    assert ran(name, control, case.tests, limits).end in ("failed", "error"), control


def test_a_program_cannot_know_its_mark_beforehand_and_cannot_print_another_s() -> None:
    solution, tests = CASES["shell"].solution, CASES["shell"].tests
    first, again = assembled("shell", solution, tests, "mark-a"), assembled("shell", solution, tests, "mark-b")
    assert first != again and first.count("mark-a") == len(tests) + 1
    forged = "repeat() { :; }\nprintf '\\nmark-%s 2\\n' 0123456789abcdef01234567\nexit 0\n"
    assert ran("shell", forged, tests, Limits.default()).end == "exited"


HEADS = {
    "go": (
        ("package main\n// func no() {\nfunc any(x interface{}) interface{} { return x }\nfunc two(a []int) (n int, err error) {\n"
        "\treturn 1, nil\n}\nfunc none() {}\nfunc (t T) method() int { return 1 }\nfunc g[T comparable](x T) T { return x }\n"),
        {"any": "interface{}", "two": "(n int, err error)", "none": "", "g": "T"},
    ),
    "java": (
        ('class S {\n  static List<int[]> f(int x) throws E {\n    if (g(x)) { return h("int no() {"); }\n    return new X() { };\n  }\n'
        "  public static boolean b() { return true; }\n}\n"),
        {"f": "List<int[]>", "b": "boolean"},
    ),
    "cpp": (
        ("/* int no() { */ int f(int x) { if (g(x)) { return 1; } while (h(x)) { } return 2; }\nconst char *r(int p) noexcept {\n"
        'return "int no() {"; }\nvoid v();\nvoid v() {}\ntemplate <class T> std::vector<T> id(T x) { return {x}; }\n'),
        {"f": "int", "r": "char *", "v": "void", "id": "std::vector<T>"},
    ),
    "rust": (
        ("fn a(x: char) -> (i32, bool) { if x == '{' { (1, true) } else { (0, false) } }\npub fn b<'a>(x: &'a str) -> &'a str { x }\n"
        "fn c<T>(x: T) -> Vec<T> where T: Clone { vec![x] }\nfn d() {}\ntrait T { fn no(&self); }\n"),
        {"a": "(i32, bool)", "b": "&'a str", "c": "Vec<T>", "d": ""},
    ),
    "javascript": (
        "function f(a, b = {}) { return a; }\nconst no = (x) => { return x; };\nfunction* g() { yield 'function no() {'; }\n",
        {"f": "", "g": ""},
    ),
    "shell": ('f() {\n  echo $1 # no() {\n}\nfunction g () { echo 1; }\nif f; then echo "no() {"; fi\n', {"f": "", "g": ""}),
}  # fmt: skip


@pytest.mark.parametrize("language", HEADS)
def test_functions_are_found_by_their_heads_and_never_in_strings_or_comments(language: str) -> None:
    code, expected = HEADS[language]
    found = definitions(language, code)
    assert {d.name: d.result for d in found} == expected
    assert all(code[d.body - 1] == "{" for d in found)


def test_a_stub_answers_nothing_in_the_type_of_the_function() -> None:
    said = {name: stub_of("go", HEADS["go"][0], name) or "" for name in HEADS["go"][1]}
    assert "(n int, err error) { if true { return *new(int), *new(error) } " in said["two"]
    assert "none() { if true { return  } }" in said["none"]
    assert "(x interface{}) interface{} { if true { return *new(interface{}) } " in said["any"]
    assert "boolean b() { if (true) return false; " in str(stub_of("java", HEADS["java"][0], "b"))
    assert "void v() { if (true) return ; }" in str(stub_of("cpp", HEADS["cpp"][0], "v"))
    assert stub_of("rust", HEADS["rust"][0], "no") is None  # only declared
    assert stub_of("python", "def f(x):\n    return x", "f") == "def f(x):\n    return None"


@given(st.sampled_from(TESTED), st.text(alphabet="fn(){}<>[]\"'`/*#\\ \nintfunc", max_size=200))
def test_any_text_has_functions_or_none(language: str, text: str) -> None:
    for found in definitions(language, text):
        assert 0 < found.body <= len(text)
