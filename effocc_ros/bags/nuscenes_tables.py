"""The nuScenes tables, as far as a bag needs them: one scene's sensor data and ego poses."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from effocc_ros.errors import InputError
from effocc_ros.geometry import rigid

MICROSECONDS = 1000
"""Nanoseconds in the unit of nuScenes timestamps."""


@dataclass(frozen=True)
class SensorRecord:
    """One row of sample_data with what it points to.

    Attributes:
        stamp: When it was taken, nanoseconds since the epoch.
        sensor: Channel, for example ``CAM_FRONT``.
        modality: ``camera``, ``lidar`` or ``radar``.
        key_frame: True for the 2 Hz data that is annotated, false for a sweep between.
        file: Where the data is.
        size: Height and width of an image in pixels, (0, 0) for other sensors.
        sensor2ego: (4, 4) pose of the sensor on the vehicle.
        intrinsics: (3, 3) pinhole matrix of a camera, else None.
        pose_stamp: When the ego pose was taken, nanoseconds.
        ego2global: (4, 4) ego pose.
    """

    stamp: int
    sensor: str
    modality: str
    key_frame: bool
    file: Path
    size: tuple[int, int]
    sensor2ego: NDArray[np.float64]
    intrinsics: NDArray[np.float64] | None
    pose_stamp: int
    ego2global: NDArray[np.float64]


class NuscenesTables:
    """The tables of one nuScenes version on disk.

    Args:
        root: The data set's folder, with ``samples/``, ``sweeps/`` and the version's folder.
        version: For example ``v1.0-mini``.

    Raises:
        InputError: The version's folder is not there.
    """

    def __init__(self, root: Path | str, version: str):
        self.root = Path(root)
        self.folder = self.root / version
        if not self.folder.is_dir():
            versions = sorted(path.name for path in self.root.glob("v1.0-*") if path.is_dir())
            raise InputError(
                f"nuScenes tables {self.folder}",
                found=f"no such folder; versions there: {', '.join(versions) or 'none'}",
                expected="a folder of .json tables beside samples/ and sweeps/",
                do="Give the folder that holds samples/ as ROOT and its tables by --version",
                reason="missing_tables",
            )

    @property
    def scene_names(self) -> tuple[str, ...]:
        """Names of all scenes, sorted."""
        return tuple(sorted(scene["name"] for scene in self._scenes.values()))

    def scene(self, name: str) -> list[SensorRecord]:
        """Return all sensor data of a scene, keyframes and sweeps, in the order of time.

        Args:
            name: For example ``scene-0061``.

        Raises:
            InputError: No such scene, or a table, field or token is missing; named in the text.
        """
        tokens = [token for token, scene in self._scenes.items() if scene["name"] == name]
        if not tokens:
            raise InputError(
                f"nuScenes scene {name}",
                found=f"no such scene in {self.folder}",
                expected=f"one of {_some(self.scene_names)}",
                reason="no_such_scene",
            )
        records = sorted(self._records(tokens[0]), key=lambda record: record.stamp)
        if not records:
            raise InputError(
                f"nuScenes scene {name}",
                found=f"no sensor data in {self.folder / 'sample_data.json'}",
                expected="rows whose samples belong to the scene",
                reason="empty_scene",
            )
        return records

    @cached_property
    def _scenes(self) -> dict[str, dict]:
        return self._table("scene")

    @cached_property
    def _sensors(self) -> dict[str, dict]:
        return self._table("sensor")

    @cached_property
    def _calibrations(self) -> dict[str, dict]:
        return self._table("calibrated_sensor")

    @cached_property
    def _poses(self) -> dict[str, dict]:
        return self._table("ego_pose")

    @cached_property
    def _samples(self) -> dict[str, dict]:
        return self._table("sample")

    def _records(self, scene_token: str) -> Iterator[SensorRecord]:
        # A sweep names the keyframe (sample) it is nearest to, so the samples select all data.
        samples = {
            token for token, row in self._samples.items() if row["scene_token"] == scene_token
        }
        for row in self._table("sample_data").values():
            if row["sample_token"] in samples:
                try:
                    yield self._record(row)
                except InputError:
                    raise
                except (KeyError, TypeError, ValueError) as error:
                    raise InputError(
                        f"sample_data {row['token']} in {self.folder}",
                        found=f"a row that cannot be used ({type(error).__name__}: {error})",
                        expected="the fields of the nuScenes schema",
                        reason="bad_table",
                    ) from error

    def _record(self, row: dict) -> SensorRecord:
        what = f"sample_data {row['token']}"
        calibration = self._linked(
            self._calibrations, "calibrated_sensor", row["calibrated_sensor_token"], what
        )
        sensor = self._linked(
            self._sensors, "sensor", calibration["sensor_token"], "calibrated_sensor"
        )
        pose = self._linked(self._poses, "ego_pose", row["ego_pose_token"], what)
        intrinsics = calibration["camera_intrinsic"]
        return SensorRecord(
            stamp=row["timestamp"] * MICROSECONDS,
            sensor=sensor["channel"],
            modality=sensor["modality"],
            key_frame=bool(row["is_key_frame"]),
            file=self.root / row["filename"],
            size=(row.get("height") or 0, row.get("width") or 0),
            sensor2ego=rigid(calibration["rotation"], calibration["translation"]),
            intrinsics=np.asarray(intrinsics, np.float64).reshape(3, 3) if intrinsics else None,
            pose_stamp=pose["timestamp"] * MICROSECONDS,
            ego2global=rigid(pose["rotation"], pose["translation"]),
        )

    def _linked(self, table: dict[str, dict], name: str, token: str, what: str) -> dict:
        if token not in table:
            raise InputError(
                f"{what} in {self.folder}",
                found=f"the token {token}, which {name}.json does not have",
                expected=f"a token of {name}.json",
                do="Take all tables from one download",
                reason="missing_token",
            )
        return table[token]

    def _table(self, name: str) -> dict[str, dict[str, Any]]:
        path = self.folder / f"{name}.json"
        try:
            rows = json.loads(path.read_bytes())
            return {row["token"]: row for row in rows}
        except FileNotFoundError:
            found, reason = "no such file", "missing_tables"
        except (ValueError, TypeError, KeyError) as error:
            found, reason = f"no list of rows with tokens ({error})", "bad_table"
        raise InputError(
            f"nuScenes table {path}",
            found=found,
            expected="a table of the nuScenes schema",
            do="Unpack the metadata archive again",
            reason=reason,
        )


def _some(names: tuple[str, ...], most: int = 12) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
