# SPDX-License-Identifier: Apache-2.0
"""ROS domains are lent to one at a time."""

from contextlib import ExitStack

import pytest

from effocc_ros.errors import InputError
from effocc_ros.nodes.domains import DOMAINS, own_domain


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Keep away from what runs on this machine."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))


def test_a_domain_is_lent_once_and_free_again_afterwards():
    with ExitStack() as all_of_them:
        lent = [all_of_them.enter_context(own_domain()) for _ in DOMAINS]
        assert sorted(lent) == list(DOMAINS)
        with pytest.raises(InputError, match="all of 1 to 101 taken"), own_domain():
            pass
    with own_domain() as again:
        assert again in DOMAINS
