# SPDX-License-Identifier: Apache-2.0
"""The arithmetic that a network may work in, and which device has it."""

import torch

from effocc_ros.errors import InputError

PRECISIONS = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
"""Names that ``precision`` may have."""


def check_precision(name: str, device: torch.device | None = None) -> None:
    """Raise InputError unless there is such a precision, and the device, if any, has it."""
    if name not in PRECISIONS:
        raise InputError(
            "precision",
            found=repr(name),
            expected=f"one of {', '.join(PRECISIONS)}",
            reason="bad_precision",
        )
    if device is None or device.type != "cpu" or name == "float32":
        return
    if name != "bfloat16":
        raise InputError(
            "precision",
            found=f"{name} on a CPU",
            expected="float32, or bfloat16 where the CPU has AMX",
            do="Use float32, or a GPU",
            reason="bad_precision",
        )
    if not cpu_has_bfloat16():
        raise InputError(
            "precision",
            found="bfloat16 on a CPU without AMX, or a torch that does not tell",
            expected="float32: without these instructions bfloat16 is slower",
            do="Use float32, or a GPU",
            reason="bad_precision",
        )


def cpu_has_bfloat16() -> bool:
    """Return whether this machine's CPU is faster in bfloat16, as far as torch knows.

    With AVX512-BF16 alone it is slower than in float32 (docs/speed.md).
    """
    return getattr(torch.cpu, "get_capabilities", dict)().get("amx_bf16", False)
