# SPDX-License-Identifier: Apache-2.0
"""``effocc demo``: a simulated drive through the real node, over real DDS, to a bag and a picture.

Three processes talk ROS 2: the occupancy node, the bag player in lockstep, and a recorder. A
second network then sees the same drive through its cameras alone, without ROS, and both are scored
against the street's truth.
"""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from effocc_ros.bags.frames import read_frame, read_frames
from effocc_ros.bags.reader import BagReader
from effocc_ros.classes import OCC3D_NUSCENES
from effocc_ros.demo_scores import read_occupancies, score_drive, score_line
from effocc_ros.errors import InputError
from effocc_ros.geometry import OCC3D_GRID
from effocc_ros.nodes.domains import own_domain
from effocc_ros.nodes.rig_parameters import rig_arguments
from effocc_ros.nodes.transport import ros_environment
from effocc_ros.occupancy import SemanticOccupancy
from effocc_ros.predictor import Predictor, choose_device
from effocc_ros.presets import load_preset
from effocc_ros.rig import load_rig
from effocc_ros.simulation.bag import load_truth, simulate_bag, truth_stamps
from effocc_ros.simulation.cli import whole_number
from effocc_ros.visualization import write_overview

KEYFRAME_SECONDS = 0.5
WITH_LIDAR = "fusion_tiny"
"""A preset whose Frames hold all sensors."""
STOP_SECONDS = 60.0
OCCUPANCY, DIAGNOSTICS = "/occ_node/output/occupancy", "/diagnostics"


@dataclass(frozen=True)
class Demo:
    """What the demo does and where it puts things.

    Attributes:
        output: Folder for the drive, the recorded bag, the picture and the logs.
        model: Preset that the node runs.
        vision: Preset that is compared with it, without ROS; empty: none.
        duration_s: Seconds of driving.
        seed: Of the simulated street.
        device: ``auto``, ``cpu`` or ``cuda``.
    """

    output: Path
    model: str = "fusion_tiny"
    vision: str = "vision_tiny"
    duration_s: float = 5.0
    seed: int = 0
    device: str = "auto"

    @property
    def drive(self) -> Path:
        """The simulated bag."""
        return self.output / "drive"

    @property
    def recorded(self) -> Path:
        """The bag of what the node said."""
        return self.output / "occupancy"

    def picture(self, model: str) -> Path:
        """The page that shows one moment of a model's answers beside the truth."""
        return self.output / ("overview.png" if model == self.model else f"{model}.png")

    def run(self) -> str:
        """Simulate, play, record and draw; return the table of what happened.

        Raises:
            InputError: A process failed; its log is named.
        """
        started = time.monotonic()
        simulate_bag(self.drive, self.seed, self.duration_s, overwrite=True)
        simulated = time.monotonic()
        self._play()
        played = time.monotonic()
        answers = {self.model: self._answers()}
        if self.vision:
            answers[self.vision] = self._look()
        looked = time.monotonic()
        for model, occupancies in answers.items():
            self._draw(model, occupancies[len(occupancies) // 2])
        seconds = {
            "simulate": simulated - started,
            "play": played - simulated,
            "vision": looked - played,
            "draw": time.monotonic() - looked,
        }
        return self._table(answers, self._diagnostics(), seconds)

    def _play(self) -> None:
        """Run node, recorder and player until the drive is over."""
        if self.recorded.exists():
            shutil.rmtree(self.recorded)
        rig = load_rig("nuscenes")
        interval = f"trigger_interval:={KEYFRAME_SECONDS}"
        node = [*rig_arguments(rig), "-p", f"model:={self.model}", "-p", interval]
        # In lockstep nothing is gained by giving up on tf or an image that a busy machine delays.
        node += ["-p", f"device:={self.device}", "-p", "max_wait:=10.0"]
        player = ["-p", f"bag:={self.drive}", "-p", "lockstep:=true", "-p", interval]
        player += ["-p", f"wait_for:=[{', '.join(rig.topics)}, /tf, /tf_static]"]
        with ExitStack() as stack:
            domain = stack.enter_context(own_domain())

            def start(name: str, arguments: list[str]) -> _Process:
                return stack.enter_context(_Process(name, arguments, domain, self.output))

            recorder = start("recorder", ["-p", f"output:={self.recorded}"])
            occ_node = start("occ_node", node)
            bag_player = start("bag_player", [*player, "-p", "timeout:=120.0"])
            try:
                bag_player.wait()
            except InputError:
                occ_node.check()  # a player misses the node that has ended
                raise
            occ_node.stop()
            recorder.stop()

    def _look(self) -> list[SemanticOccupancy]:
        """Show the keyframes to the vision network, without ROS.

        The Frames are stamped by the LiDAR, for that is when the truth is true.
        """
        rig, model = load_rig("nuscenes"), load_preset(WITH_LIDAR)
        with Predictor(self.vision, self.device) as predictor:
            frames = read_frames(self.drive, rig, model, truth_stamps(self.drive))
            return [predictor.predict(frame) for frame in frames]

    def _answers(self) -> list[SemanticOccupancy]:
        """Read back every occupancy that the node published."""
        occupancies = read_occupancies(self.recorded, OCCUPANCY)
        if not occupancies:
            raise InputError(
                f"bag {self.recorded}",
                found="no occupancy",
                expected="one for every keyframe of the drive",
                do=f"See {self.output / 'occ_node.log'}",
            )
        return occupancies

    def _diagnostics(self) -> dict[str, str]:
        """Read back the newest value of everything that the node told of itself."""
        values = {}
        with BagReader(self.recorded) as bag:
            for message in bag.messages([DIAGNOSTICS]):
                own = (s for s in message.decode().status if ": input " not in s.name)
                for status in own:
                    values |= {pair.key: pair.value for pair in status.values}
        return values

    def _draw(self, model: str, occupancy: SemanticOccupancy) -> None:
        shown = load_preset(self.model if model == self.model else WITH_LIDAR)
        frame = read_frame(self.drive, load_rig("nuscenes"), shown, occupancy.stamp)
        has_truth = occupancy.stamp in truth_stamps(self.drive)
        truth = load_truth(self.drive, occupancy.stamp) if has_truth else None
        write_overview(self.picture(model), frame, occupancy, truth)

    def _table(
        self,
        answers: dict[str, list[SemanticOccupancy]],
        diagnostics: dict[str, str],
        seconds: dict[str, float],
    ) -> str:
        rows = [("drive", f"{self.duration_s:g} s, {len(truth_stamps(self.drive))} keyframes")]
        for model, occupancies in answers.items():
            trained = occupancies[-1].trained
            score = score_line(score_drive(self.drive, occupancies))
            note = "untrained: random weights, the labels mean nothing"
            rows.append((f"{model} ({occupancies[-1].mode})", score if trained else note))
        rows += [
            ("device", diagnostics.get("device", "")),
            ("frames in", diagnostics.get("frames_in", "?")),
            ("frames out", diagnostics.get("frames_out", "?")),
            ("frames recorded", str(len(answers[self.model]))),
        ]
        drops = {key: value for key, value in diagnostics.items() if key.startswith("drop.")}
        rows += [(f"dropped: {key[5:]}", value) for key, value in drops.items()]
        if not drops:
            rows.append(("dropped", "none"))
        stages = [(key, value) for key, value in diagnostics.items() if key.endswith("_ms")]
        rows += [(f"{key[:-3]} (median)", f"{float(value):.1f} ms") for key, value in stages]
        rows += [(f"{name} took", f"{value:.1f} s") for name, value in seconds.items()]
        rows.append(("bag", str(self.recorded)))
        rows += [(f"picture of {model}", str(self.picture(model))) for model in answers]
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


class _Process:
    """A node in a process of its own, with a log file; killed when its context ends."""

    def __init__(self, name: str, arguments: list[str], domain: int, folder: Path):
        self.name, self.log = name, folder / f"{name}.log"
        run = f"import sys; from effocc_ros.nodes.executables import {name}; sys.exit({name}())"
        command = [sys.executable, "-c", run, "--ros-args", *arguments]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command, env=ros_environment(domain), stdout=log, stderr=subprocess.STDOUT
            )

    def __enter__(self) -> "_Process":
        return self

    def __exit__(self, *exception) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def check(self) -> None:
        """Raise InputError if it has ended badly."""
        if self._process.poll() is not None:
            self.wait()

    def wait(self, seconds: float | None = None) -> None:
        """Wait for its end, which must be a good one."""
        code = self._process.wait(seconds)
        if code:
            last = self.log.read_text(errors="replace").strip().splitlines()[-3:]
            raise InputError(
                f"process {self.name}",
                found=f"exit code {code} ({' '.join(last)})",
                expected="0",
                do=f"See {self.log}",
                reason="process_failed",
            )

    def stop(self) -> None:
        """End it as Ctrl-C would, and wait."""
        self._process.send_signal(signal.SIGINT)
        self.wait(STOP_SECONDS)


def register(subparsers) -> None:
    """Add the verb ``demo``."""
    parser = subparsers.add_parser(
        "demo",
        help="simulate a street and run the real node on it over DDS",
        description="Simulate a drive, run the real node on it over DDS, record and draw.",
    )
    parser.add_argument("--output", type=Path, default=Path("output/demo"), help="folder to fill")
    parser.add_argument("--model", default="fusion_tiny", help="preset of the node (%(default)s)")
    parser.add_argument(
        "--vision", default="vision_tiny", help="preset to compare, '' for none (%(default)s)"
    )
    parser.add_argument("--duration", type=float, default=5.0, help="seconds of driving")
    parser.add_argument(
        "--seed", type=whole_number(0), default=0, help="the street follows from it"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.set_defaults(run=_demo)


def _demo(arguments: argparse.Namespace) -> None:
    for model in filter(None, (arguments.model, arguments.vision)):
        _check_fits_truth(model)  # a wrong name must not cost a simulation first
    choose_device(arguments.device)
    arguments.output.mkdir(parents=True, exist_ok=True)
    demo = Demo(
        arguments.output,
        arguments.model,
        arguments.vision,
        arguments.duration,
        arguments.seed,
        arguments.device,
    )
    print(demo.run())


def _check_fits_truth(model: str) -> None:
    """Raise InputError unless a preset gives the classes and the grid of the street's truth."""
    config = load_preset(model)
    if (config.classes, config.grid) != (OCC3D_NUSCENES.name, OCC3D_GRID):
        raise InputError(
            f"model {model}",
            found=f"classes {config.classes} in {config.grid.shape} voxels",
            expected=f"{OCC3D_NUSCENES.name} in {OCC3D_GRID.shape}, as the street's truth",
            do="See `effocc models`",
            reason="classes_differ",
        )
