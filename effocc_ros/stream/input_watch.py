# SPDX-License-Identifier: Apache-2.0
"""What is noted of each input while its messages come: counts, clock, silence, changes."""

from typing import Any

from effocc_ros.stamps import NANOSECONDS
from effocc_ros.stream.changes import ChangeWatch
from effocc_ros.stream.clocks import ASTRAY, ClockWatch
from effocc_ros.stream.config import StreamConfig
from effocc_ros.stream.headers import stamp_of
from effocc_ros.stream.input_counter import InputCounter
from effocc_ros.stream.report import InputStatistics, Problem, Remark
from effocc_ros.stream.silence import SilenceWatch


class InputWatch:
    """Watches the inputs of a stream.

    Attributes:
        clocks: Whose clock is not the others'.
        silence: Who has fallen silent.
        silent: Sensors that were, when the last frame began.
    """

    def __init__(self, config: StreamConfig):
        self.clocks, self.silence = ClockWatch(), SilenceWatch()
        self.silent: tuple[str, ...] = ()
        self._counters: dict[str, InputCounter] = {}
        self._changes = ChangeWatch()
        self._offsets: dict[str, int] = {}
        self._sensors: tuple[str, ...] = ()
        self.reconfigure(config)

    def reconfigure(self, config: StreamConfig) -> None:
        """Watch the inputs of another config; counts go on."""
        offsets = {
            name: round(seconds * NANOSECONDS) for name, seconds in config.clock_offsets.items()
        }
        if offsets != self._offsets:
            self.clocks.forget()
        self._offsets = offsets
        self.silence.reconfigure(config.sync.trigger_interval, config.sync.max_wait)
        sensors = (*config.sync.cameras, *config.lidars)
        for name in sensors:
            self._counters.setdefault(name, InputCounter())
            if name not in self._sensors:
                self.silence.begin_anew(name)
        self._sensors = sensors

    def stamp_of(self, message: Any, name: str) -> int:
        """Return a message's stamp in nanoseconds, by the clock that all inputs shall share.

        Raises:
            InputError: The stamp is zero.
        """
        return stamp_of(message, name) + self._offsets.get(name, 0)

    def offset(self, name: str) -> int:
        """Return the nanoseconds that are added to an input's stamps."""
        return self._offsets.get(name, 0)

    def note(self, name: str, stamp: int, now: float, arrived: float) -> list[Problem]:
        """Note a sensor's message; return what to say of clocks.

        Args:
            name: The sensor.
            stamp: Nanoseconds.
            now: Seconds on the caller's clock.
            arrived: The same, unless messages are read in another order than they came in.
        """
        self._counters[name].count(stamp, now)
        self.silence.heard(name, stamp, now)
        offset = self.offset(name) / NANOSECONDS
        return _problems(self.clocks.note(name, stamp, arrived, offset=offset))

    def note_transform(self, name: str, stamp: int, now: float, arrived: float) -> list[Problem]:
        """Note a transform of the ego motion; return what to say of clocks.

        Localisers date their transforms ahead on purpose, by a second or so.
        """
        self.silence.heard(name, stamp, now, is_pose=True)
        offset = self.offset("tf") / NANOSECONDS
        return _problems(self.clocks.note(name, stamp, arrived, slack=ASTRAY, offset=offset))

    def note_facts(self, name: str, message: Any, **facts: object) -> list[Remark]:
        """Return what to say of facts that should not change from message to message."""
        if message.header.frame_id:
            facts["frame_id"] = message.header.frame_id
        return self._changes.note(name, **facts)

    def note_calibration(self, name: str, message: Any) -> list[Remark]:
        """Return what to say of a CameraInfo that changes to and fro: it may be of two cameras."""
        text = ", ".join(f"{value:.6g}" for value in (*message.k, *message.d))
        remarks = self._changes.note(name, calibration=f"{message.header.frame_id}: {text}")
        return [remark for remark in remarks if remark.reason == "calibration_alternates"]

    def matched(self, name: str, distance: int) -> None:
        """Note how far, in nanoseconds, an image lay from where it was expected."""
        self._counters[name].matched(distance)

    def useless(self, name: str) -> bool:
        """Return whether an input's clock is so far from the others' that nothing fits."""
        return self.clocks.astray(name)

    def gone(self, name: str, now: float) -> bool:
        """Return whether nothing of use is to be expected from an input.

        Args:
            name: The input.
            now: Seconds on the caller's clock.
        """
        return self.useless(name) or self.silence.silent(name, now)

    def late(self, name: str, now: float) -> bool:
        """Return whether an input's next message is not worth waiting for any longer."""
        return self.silence.late(name, now) or self.gone(name, now)

    def changes(self, sensors: tuple[str, ...], reference: str, now: float) -> list[Problem]:
        """Return which sensors have fallen silent or come back since the last time.

        Args:
            sensors: All that are used.
            reference: The one that makes the frames.
            now: Seconds on the caller's clock.
        """
        before = self.silent
        self.silent = tuple(name for name in sensors if name != reference and self.gone(name, now))
        changed = [name for name in sensors if (name in before) != (name in self.silent)]
        return [self._change(name, reference) for name in changed]

    def statistics(self, now: float | None) -> dict[str, InputStatistics]:
        """Return the counts by input, as of a moment of the caller's clock."""
        return {name: each.statistics(now) for name, each in self._counters.items()}

    def last_arrival(self, name: str) -> float:
        """Return when an input's last message came, seconds of the caller's clock."""
        return self._counters[name].statistics().last_arrival

    def _change(self, name: str, reference: str) -> Problem:
        by = f"frames are made by {reference}"
        if name not in self.silent:
            return Problem(name, "back", f"{name} is back; {by}.", noted=True)
        why = "its clock is not the others'" if self.useless(name) else "nothing comes"
        text = f"{name} is left out: {why}; {by}, without it until it is back."
        return Problem(name, "silent", text, noted=True)


def _problems(remarks: dict[str, Remark]) -> list[Problem]:
    # All transforms are one input.
    return [Problem.of_remark(name.split(" ")[0], remark) for name, remark in remarks.items()]
