# SPDX-License-Identifier: Apache-2.0
"""Where moments go to be seen in Rerun: a file, a browser, the desktop viewer."""

import socket
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from effocc_ros.errors import InputError
from effocc_ros.files import whole_file
from effocc_ros.visualization.display import check_display, has_display
from effocc_ros.visualization.pipe import filled_through_pipe
from effocc_ros.visualization.scene import Moment

VERSION = "0.41.0"
"""VoxelGridMap is young: other versions may read and write it otherwise."""


def save(moments: Iterable[Moment], path: Path) -> int:
    """Write moments into an .rrd file, which appears whole or not at all; return how many.

    Raises:
        InputError: It cannot be written, for want of room for example.
    """
    rr = import_rerun()
    with whole_file(path) as partial, filled_through_pipe(partial) as pipe:
        recording = _recording(rr)
        count = _write(moments, recording, lambda blueprint: recording.save(pipe, blueprint))
        recording.disconnect()
    return count


def serve(moments: Iterable[Moment], port: int, say: Callable[[str], Any] = print) -> None:
    """Serve Rerun's own viewer and the moments to browsers, until the process is interrupted.

    Args:
        moments: What to show.
        port: Of the viewer's page; the data are on the one after it.
        say: Takes lines for the user.

    Raises:
        InputError: One of the ports is in use.
    """
    rr = import_rerun()
    for each in (port, port + 1):
        check_free(each)
    recording = _recording(rr)

    def connect(blueprint: Any) -> None:
        uri = recording.serve_grpc(grpc_port=port + 1, default_blueprint=blueprint)
        rr.serve_web_viewer(web_port=port, open_browser=has_display(), connect_to=uri)
        address = f"http://127.0.0.1:{port}/?url={quote(uri, safe='')}"
        say(f"serving {address} (data on port {port + 1}); Ctrl-C ends it")

    try:
        count = _write(moments, recording, connect)
        say(f"all {count} moments are there")
        while True:
            time.sleep(1.0)
    except KeyboardInterrupt:
        say("no longer serving")
    finally:
        recording.disconnect()


def spawn(moments: Iterable[Moment]) -> int:
    """Open Rerun's desktop viewer and send it the moments; return how many.

    Raises:
        InputError: There is no display, or the viewer does not open.
    """
    rr = import_rerun()
    check_display("Rerun's viewer", "--web serves it to a browser, --save writes a file")
    recording = _recording(rr)
    # The one that came with the package: a virtual environment need not be on the PATH.
    viewer = Path(sysconfig.get_path("scripts")) / "rerun"

    def connect(blueprint: Any) -> None:
        path = str(viewer) if viewer.is_file() else None
        with _viewer_named():
            rr.spawn(recording=recording, default_blueprint=blueprint, executable_path=path)

    count = sum(1 for _ in _written(moments, recording, connect))
    with _viewer_named():
        recording.flush()
    recording.disconnect()
    return count


@contextmanager
def _viewer_named() -> Iterator[None]:
    """Say that it is the viewer which does not answer."""
    try:
        yield
    except RuntimeError as error:
        raise InputError(
            "Rerun's viewer",
            found=" ".join(str(error).split()),
            expected="a viewer that opens and stays open",
            do="See what `rerun` says by itself; --web serves the moments to a browser",
            reason="no_viewer",
        ) from error


def import_rerun() -> Any:
    """Return the module ``rerun``.

    Raises:
        InputError: It is not installed, or in another version.
    """
    try:
        import rerun
    except ImportError:
        found = "no package rerun"
    else:
        # A project of another name has the same module.
        found = getattr(rerun, "__version__", "another package that is called rerun")
        if found == VERSION:
            return rerun
    raise InputError(
        "viewer",
        found=found,
        expected=f"rerun-sdk {VERSION}",
        do="Install the extra: python -m pip install 'effocc_ros[view]' (or rerun-sdk=="
        f"{VERSION}; it needs Python 3.11). --png, --mp4 and --animation do without",
        reason="no_rerun",
    )


def check_free(port: int) -> None:
    """Raise InputError if something listens on a port of this machine already."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except (OSError, OverflowError) as error:
            raise InputError(
                f"port {port}",
                found=str(error),
                expected="a free port, and the one after it",
                do="End what uses it, or name another: --port",
                reason="port_in_use",
            ) from error


def _recording(rr: Any) -> Any:
    """Return a recording that has the timeline of ROS stamps alone."""
    from effocc_ros.visualization.rerun_log import APPLICATION

    recording = rr.RecordingStream(APPLICATION)
    recording.set_log_time_enabled(False)
    recording.set_log_tick_enabled(False)
    return recording


def _write(moments: Iterable[Moment], recording: Any, connect: Callable[[Any], Any]) -> int:
    """Write all moments to where a recording is connected to; return how many."""
    count = sum(1 for _ in _written(moments, recording, connect))
    recording.flush()
    return count


def _written(
    moments: Iterable[Moment], recording: Any, connect: Callable[[Any], Any]
) -> Iterator[Moment]:
    """Open the way for a recording when the first moment is there; yield each that is written."""
    from effocc_ros.visualization.rerun_log import MomentLog, layout

    log = MomentLog(recording)
    for number, moment in enumerate(moments):
        if not number:
            connect(layout(moment))
        log.write(moment)
        yield moment
