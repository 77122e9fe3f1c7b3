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
            expected="float32, or bfloat16 where the CPU is faster in it",
            do="Use float32, or a GPU",
            reason="bad_precision",
        )
    if not cpu_has_bfloat16():
        raise InputError(
            "precision",
            found="bfloat16 on a CPU that is slower in it, or a torch that does not tell",
            expected="a CPU with AMX, or one of AMD with AVX512-BF16 (Zen 4 and later)",
            do="Use float32, or a GPU",
            reason="bad_precision",
        )


def cpu_has_bfloat16() -> bool:
    """Return whether this machine's CPU is faster in bfloat16, as far as torch knows.

    AVX512-BF16 doubles the speed of AMD's; an Intel CPU with it and without AMX is slower
    (docs/speed.md).
    """
    has = getattr(torch.cpu, "get_capabilities", dict)()
    is_amd = has.get("sse4a")  # Virtual machines may hide the name, and only AMD has these.
    return bool(has.get("amx_bf16") or (is_amd and has.get("avx512_bf16")))
