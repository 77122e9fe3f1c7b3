# SPDX-License-Identifier: Apache-2.0
"""How many processes train, by the environment of one of them; values as SLURM 22.05 sets them."""

import pytest

pytest.importorskip("lightning_fabric", reason="lightning-fabric is not installed")

from effocc_ros.errors import InputError
from effocc_ros.training.processes import processes

TASK = {"SLURM_JOB_NAME": "effocc", "SLURM_PROCID": "0", "SLURM_STEP_ID": "0"}
BATCH = {"SLURM_JOB_NAME": "wrap", "SLURM_PROCID": "0", "SLURM_NNODES": "1"}


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, None),
        ({"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "6"}, (2, 3)),
        ({**TASK, "SLURM_NTASKS": "1", "SLURM_NNODES": "1"}, (1, 1)),
        (
            {
                **TASK,
                "SLURM_NTASKS": "8",
                "SLURM_NTASKS_PER_NODE": "2",
                "SLURM_NNODES": "4",
            },
            (2, 4),
        ),
        # A batch script without --ntasks, and a shell in an allocation: the config says it.
        (BATCH, None),
        ({"SLURM_JOB_NAME": "interactive", "SLURM_NTASKS": "4", "SLURM_NNODES": "1"}, None),
    ],
)
def test_torchrun_and_slurm_say_how_many_processes_train(variables, found):
    assert processes(variables) == found


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({**TASK, "SLURM_NTASKS": "2", "SLURM_NNODES": "1"}, "without --ntasks-per-node; .*"),
        (
            {**TASK, "SLURM_NTASKS": "3", "SLURM_NTASKS_PER_NODE": "2", "SLURM_NNODES": "2"},
            "--ntasks 3 on 2 machines and --ntasks-per-node 2; ",
        ),
        (
            {**BATCH, "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "2"},
            "2 tasks of which one trains, for srun did not start it; .* --ntasks-per-node 2 eff",
        ),
    ],
)
def test_tasks_that_cannot_train_together_are_refused_with_the_command(variables, said):
    with pytest.raises(InputError, match=said) as caught:
        processes(variables)
    assert caught.value.reason == "bad_slurm_tasks"
    assert "srun --nodes" in str(caught.value)
