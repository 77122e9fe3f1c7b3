"""Which storage files make up a bag, as its metadata.yaml says."""

from pathlib import Path, PurePosixPath

from effocc_ros.errors import InputError
from effocc_ros.plain_files import read_yaml

SUFFIXES = (".mcap", ".db3", ".zstd")
MOST_BYTES = 4 << 20
"""Of metadata.yaml: room for the names of 10,000 parts."""


def storage_files(path: Path) -> tuple[Path, ...]:
    """List the storage files of a bag in the order of recording.

    Args:
        path: Folder of a rosbag2, or one storage file.

    Raises:
        InputError: Nothing there, no or broken metadata.yaml, or parts that are missing.
    """
    if path.is_file():
        return (path,)
    if not path.is_dir():
        raise InputError(
            f"bag {path}",
            found="nothing there",
            expected="the folder of a rosbag2, or its .mcap or .db3 file",
            reason="no_such_bag",
        )
    metadata = path / "metadata.yaml"
    if not metadata.is_file():
        _refuse_folder(path)
    names = _relative_paths(metadata)
    files = tuple(_located(path, name) for name in names)
    missing = [file.name for file in files if not file.is_file()]
    if missing:
        _refuse_parts(path, files, missing)
    return files


def _located(folder: Path, name: str) -> Path:
    # Bags of Eloquent and before name their files relative to the folder's parent. What lies
    # outside of the folder is not opened.
    parts = PurePosixPath(name)
    outside = parts.is_absolute() or ".." in parts.parts
    direct = folder / name
    return direct if direct.is_file() and not outside else folder / parts.name


def _relative_paths(metadata: Path) -> list[str]:
    try:
        content = read_yaml(metadata, MOST_BYTES)
        paths = content["rosbag2_bagfile_information"]["relative_file_paths"]
    except (OSError, ValueError) as error:
        found = f"text that is not YAML ({error})"
    except (TypeError, KeyError) as error:
        found = f"no relative_file_paths ({error})"
    else:
        if isinstance(paths, list) and paths and all(isinstance(name, str) for name in paths):
            return paths
        found = f"relative_file_paths: {paths!r}"
    raise InputError(
        f"bag metadata {metadata}",
        found=found,
        expected="rosbag2_bagfile_information with a list of relative_file_paths",
        do=f"Write it anew: ros2 bag reindex {metadata.parent}",
        reason="bad_metadata",
    )


def _refuse_folder(path: Path) -> None:
    parts = sorted(file.name for file in path.iterdir() if file.suffix in SUFFIXES)
    if parts:
        found = f"no metadata.yaml beside {_some(parts)}"
        advice = f"Write it: ros2 bag reindex {path}; or give the file {path / parts[0]}"
    else:
        found = "a folder without metadata.yaml and without .mcap or .db3 files"
        advice = "Give the folder that ros2 bag record made"
    raise InputError(
        f"bag {path}",
        found=found,
        expected="a rosbag2 folder: metadata.yaml and its storage files",
        do=advice,
        reason="not_a_bag",
    )


def _refuse_parts(path: Path, files: tuple[Path, ...], missing: list[str]) -> None:
    there = [file for file in files if file.name not in missing]
    alone = f"; or read one part alone: {there[0]}" if there else ""
    raise InputError(
        f"bag {path}",
        found=f"{len(there)} of the {len(files)} parts that metadata.yaml lists; "
        f"missing: {_some(missing)}",
        expected="all of them in the folder",
        do="Put them back; or make metadata.yaml fit what is there: "
        f"ros2 bag reindex {path}{alone}",
        reason="missing_parts",
    )


def _some(names: list[str], most: int = 4) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
