# SPDX-License-Identifier: Apache-2.0
"""Read a node's diagnostics in a test."""

from diagnostic_msgs.msg import DiagnosticArray


def told(diagnostics: list[DiagnosticArray], key: str, part: str = "") -> str:
    """Return the newest value of a key, empty when it was never told.

    Args:
        diagnostics: All messages so far.
        key: The key.
        part: End of the status's name, such as ``input CAM_BACK``; empty: any status.
    """
    for message in reversed(diagnostics):
        for status in message.status:
            for pair in status.values:
                if pair.key == key and status.name.endswith(part):
                    return pair.value
    return ""
