"""What seeds draw."""

from itertools import pairwise

import numpy as np

from harness.probe.chance import (
    FIRST_BLOCK,
    code_order,
    code_stops,
    control_labels,
    resampled,
    training_weights,
)


def test_a_type_has_one_control_label_and_seeds_differ():
    types = [f"w{i % 40}" for i in range(400)]
    labels = np.repeat([0, 1, 2, 2], 100)
    drawn = control_labels("task", types, labels, np.arange(400), 3)
    for control in drawn:
        for k in range(40):
            assert len(set(control[k::40])) == 1
        # As the training labels are distributed: a half is 2.
        assert 0.2 < (control == 2).mean() < 0.8
    assert (drawn[0] != drawn[1]).any()
    np.testing.assert_array_equal(drawn, control_labels("task", types, labels, np.arange(400), 3))


def test_control_labels_do_not_depend_on_the_tasks_own():
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1], 500))
    control = control_labels("task", [f"w{i}" for i in range(1000)], labels, np.arange(1000), 5)
    assert np.abs((control == labels).mean() - 0.5) < 0.03


def test_a_seed_trains_on_four_fifths_of_whole_groups():
    groups = [f"d{i // 10}" for i in range(200)]
    weights = training_weights("task", groups, 4)
    blocks = weights.reshape(4, 20, 10)
    assert (blocks == blocks[:, :, :1]).all()
    np.testing.assert_array_equal(blocks[:, :, 0].sum(axis=1), 16)
    assert (weights[0] != weights[1]).any()


def test_with_few_groups_items_are_drawn():
    weights = training_weights("task", ["one"] * 50, 2)
    np.testing.assert_array_equal(weights.sum(axis=1), 40)


def test_code_sends_whole_groups():
    groups = [f"d{i % 7}" for i in range(70)]
    for order in code_order("task", groups, 3):
        assert sorted(order) == list(range(70))
        sent = [groups[i] for i in order]
        assert sum(a != b for a, b in pairwise(sent)) == 6


def test_blocks_double():
    stops = code_stops(600)
    assert stops[-1] == 600
    assert FIRST_BLOCK <= stops[0] <= 2 * FIRST_BLOCK
    assert all(b in (2 * a - 1, 2 * a) for a, b in pairwise(stops))
    assert code_stops(5) == (5,)


def test_resamples_draw_as_many_groups_as_there_are():
    weights = resampled([str(i) for i in range(12)], 50)
    np.testing.assert_array_equal(weights.sum(axis=1), 12)
