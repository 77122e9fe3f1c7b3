"""Read a node's diagnostics in a test."""

from diagnostic_msgs.msg import DiagnosticArray


def told(diagnostics: list[DiagnosticArray], key: str) -> str:
    """Return the newest value of a key, empty when it was never told."""
    for message in reversed(diagnostics):
        for status in message.status:
            for pair in status.values:
                if pair.key == key:
                    return pair.value
    return ""
