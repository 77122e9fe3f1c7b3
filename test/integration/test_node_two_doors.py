# SPDX-License-Identifier: Apache-2.0
"""The node says of a simulated scene's bag what the dataset's Frames say of its files."""

import pytest
from helpers.toy_drive import TOPICS
from helpers.two_doors import (
    INTERVAL_S,
    assert_same_answers,
    dataset_answers,
    make_scene_bag,
    message_answers,
)
from helpers.waiting import wait_until

from effocc_ros.msg import SemanticOccupancy

pytestmark = pytest.mark.integration


def test_a_simulated_scene_gets_the_same_labels_from_the_node_and_the_dataset(
    stage, tiny_models, simulated_tree, tmp_path
):
    model = tiny_models["fusion"]
    bag = make_scene_bag(simulated_tree, tmp_path / "bag")
    messages = stage.peer.listen(SemanticOccupancy, "/occ_node/output/occupancy")
    # A busy machine handles tf late: no frame may be given up here, for all are compared.
    stage.start_node(model=model, trigger_interval=INTERVAL_S, max_wait=10.0)
    player = stage.start(
        "bag_player", bag=bag, lockstep=True, trigger_interval=INTERVAL_S, wait_for=TOPICS
    )
    assert player.wait(120) == 0, player.text
    assert "3 keyframes: 3 frames, 0 dropped" in player.text
    wait_until(lambda: len(messages) == 3, "3 messages")
    assert_same_answers(dataset_answers(simulated_tree, model), message_answers(messages))
