"""Two texts side by side.

side_by_side("a\\nb\\n", "a\\nc\\n").rows[1]  # Row("changed", (2, "b"), (2, "c"))
"""

from __future__ import annotations

from difflib import SequenceMatcher

from hypothesis import given
from hypothesis import strategies as st

from lakehouse.report.diff import CONTEXT, LINES, ROWS, Row, side_by_side

texts = st.lists(st.sampled_from(["a", "b", "", "def f():", "    return\t1"]), max_size=30).map("\n".join)


def test_a_changed_line_stands_beside_its_successor() -> None:
    assert side_by_side("a\nb\n", "a\nc\n").rows == (
        Row("equal", (1, "a"), (1, "a")),
        Row("changed", (2, "b"), (2, "c")),
    )


def test_lines_without_a_counterpart_are_removed_or_added() -> None:
    assert side_by_side("a\nb\nc", "b\nc\nd").rows == (
        Row("removed", (1, "a"), None),
        Row("equal", (2, "b"), (1, "b")),
        Row("equal", (3, "c"), (2, "c")),
        Row("added", None, (3, "d")),
    )


def test_long_equal_runs_are_left_out() -> None:
    lines = [str(i) for i in range(40)]
    rows = side_by_side("\n".join(lines), "\n".join(["x", *lines[1:-1], "y"])).rows
    assert [row.kind for row in rows] == ["changed", *["equal"] * CONTEXT, "gap", *["equal"] * CONTEXT, "changed"]


@given(texts, texts)
def test_rows_hold_the_lines_under_their_numbers_and_equal_means_equal(left: str, right: str) -> None:
    found = side_by_side(left, right)
    for row in found.rows:
        for side, text in ((row.left, left), (row.right, right)):
            assert side is None or text.removesuffix("\n").split("\n")[side[0] - 1] == side[1]
        assert (row.kind == "equal") <= (row.left is not None and row.right is not None and row.left[1] == row.right[1])
    if not found.more:
        matcher = SequenceMatcher(
            None, left.removesuffix("\n").split("\n"), right.removesuffix("\n").split("\n"), False
        )
        changed = [op for op in matcher.get_opcodes() if op[0] != "equal"]
        assert sum(row.kind not in ("equal", "gap") for row in found.rows) == sum(
            max(i_end - i, j_end - j) for _, i, i_end, j, j_end in changed
        )


def test_equal_texts_have_no_rows() -> None:
    assert side_by_side("a\nb\n", "a\nb").rows == ()


def test_work_is_bounded_and_what_was_left_out_is_said() -> None:
    left = "\n".join("ab"[i % 2] for i in range(100_000))
    right = "\n".join("abc"[i % 3] for i in range(100_000))
    found = side_by_side(left, right)
    assert len(found.rows) == ROWS
    assert found.more > 0
    assert found.uncompared == 2 * (100_000 - LINES)


def test_only_a_line_feed_ends_a_line() -> None:
    assert side_by_side("a\r\x0b\u2028b", "c").rows == (Row("changed", (1, "a\r\x0b\u2028b"), (1, "c")),)
