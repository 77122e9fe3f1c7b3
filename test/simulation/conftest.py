# SPDX-License-Identifier: Apache-2.0
import pytest

from effocc_ros.simulation.drive import Drive


@pytest.fixture(scope="session")
def drive():
    return Drive(seed=7, duration_s=0.5, image_size=(198, 352))


@pytest.fixture(scope="session")
def key(drive):
    return drive.instants()[0]


@pytest.fixture(scope="session")
def key_sweep(drive, key):
    return drive.sweep(key.stamp)


@pytest.fixture(scope="session")
def key_labels(drive, key):
    return drive.labels(key.stamp)
