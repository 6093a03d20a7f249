"""Connected components against networkx."""

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jobs.kernels.components import components


def test_the_least_member_names_each_component():
    left, right = np.array([4, 1, 5]), np.array([2, 4, 3])
    assert components(left, right, n=7).tolist() == [0, 1, 1, 3, 1, 3, 6]


def labels_of_networkx(left, right, n):
    graph = networkx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from(zip(left.tolist(), right.tolist(), strict=True))
    labels = [0] * n
    for members in networkx.connected_components(graph):
        for node in members:
            labels[node] = min(members)
    return labels


def edges(n):
    node = st.integers(0, n - 1)
    return st.lists(st.tuples(node, node), max_size=40)


@settings(deadline=None)  # the first example may compile
@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), edges(n))))
def test_labels_equal_those_of_networkx_on_any_small_graph(case):
    n, pairs = case
    left, right = (np.array([pair[i] for pair in pairs], np.int64) for i in (0, 1))
    assert components(left, right, n).tolist() == labels_of_networkx(left, right, n)


@pytest.mark.parametrize("density", [0.3, 1.0, 3.0])  # edges a node: below, at and above one giant component
def test_any_order_and_direction_of_the_edges_gives_the_same_labels(density):
    draw = np.random.default_rng(11)
    n = 3000
    left, right = draw.integers(0, n, (2, int(n * density)))
    expected = labels_of_networkx(left, right, n)
    for _ in range(3):
        order, turned = draw.permutation(len(left)), draw.random(len(left)) < 0.5
        a, b = np.where(turned, right, left)[order], np.where(turned, left, right)[order]
        assert components(a, b, n).tolist() == expected


@pytest.mark.parametrize("order", ["ascending", "descending", "shuffled"])
def test_a_path_of_a_million_nodes_is_one_component(order):
    # Without path halving the descending order costs a walk of the whole path for each edge.
    left = np.arange(1_000_000 - 1)
    if order == "descending":
        left = left[::-1]
    elif order == "shuffled":
        left = np.random.default_rng(5).permutation(left)
    assert not components(left, left + 1, 1_000_000).any()


def test_without_edges_every_node_is_its_own_component():
    nothing = np.zeros(0, np.int64)
    assert components(nothing, nothing, 3).tolist() == [0, 1, 2]
    assert components(nothing, nothing, 0).tolist() == []


def test_arrow_columns_small_integers_and_strides_are_accepted_and_left_unchanged():
    left, right = np.array([2, 9, 1], np.int32), np.array([1, 9, 0], np.int32)
    left.flags.writeable = False  # as Arrow hands it out
    assert components(left[::2], right[::2], 3).tolist() == [0, 0, 0]
    assert left.tolist() == [2, 9, 1] and right.tolist() == [1, 9, 0]


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ([0, 3], [1, 1], "left names node 3: expected 0 to 2"),
        ([0, 1], [1, -1], "right names node -1: expected 0 to 2"),
        ([0, 1], [1], "left has 2 nodes and right 1"),
        ([0.5], [1], "left is float64"),
        ([[0]], [[1]], "of shape (1, 1)"),
    ],
)
def test_edges_that_would_read_outside_memory_are_refused(left, right, said):
    with pytest.raises(ValueError) as refused:
        components(np.array(left), np.array(right), 3)
    assert said in str(refused.value)
