# SPDX-License-Identifier: Apache-2.0
import numpy as np

from effocc_ros.simulation.survey import Returns, Survey


def test_returns_of_all_sweeps_come_back_in_the_frame_of_the_car():
    first = Returns(np.array([[5.0, 1.0, 0.0], [200.0, 0.0, 0.0]]), np.array([4, 15], np.uint8))
    second = Returns(np.array([[7.0, -1.0, 0.5]]), np.array([11], np.uint8))
    pose = np.eye(4)
    pose[0, 3] = 2.0
    returns = Survey([first, second]).returns(pose)
    np.testing.assert_allclose(returns.points, [[3.0, 1.0, 0.0], [5.0, -1.0, 0.5]])
    np.testing.assert_array_equal(returns.label, [4, 11])  # what is far away is left out
