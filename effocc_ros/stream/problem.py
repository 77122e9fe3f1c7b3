"""What the stream has to say about a message that it cannot use."""

from dataclasses import dataclass

from effocc_ros.errors import InputError


@dataclass(frozen=True)
class Remark:
    """Something odd about a message that is used all the same.

    Attributes:
        reason: Short snake_case name under which it is counted.
        text: One line for people: what was found, and how it was understood.
    """

    reason: str
    text: str


@dataclass(frozen=True)
class Problem:
    """One message, or one moment, that could not be used as it should.

    Attributes:
        source: The input at fault: a camera's name, a LiDAR's, ``tf``.
        reason: Short snake_case name under which it is counted.
        text: One line for people: what was found, what was expected, what to do.
        once: Whether saying it once is enough, because the message is used all the same.
    """

    source: str
    reason: str
    text: str
    once: bool = False

    @staticmethod
    def of(source: str, error: InputError) -> "Problem":
        """Make a Problem of an error that a message caused."""
        return Problem(source, error.reason, str(error))

    @staticmethod
    def of_remark(source: str, remark: Remark) -> "Problem":
        """Make a Problem of a remark on a message that was used."""
        return Problem(source, remark.reason, remark.text, once=True)
