# SPDX-License-Identifier: Apache-2.0
"""Build the Python type support of our message where ROS 2 comes from PyPI wheels.

With a ROS 2 installation colcon does this. The wheels have the same generators but no build of
ours and no tf2_msgs, so this script runs the generators on the message definitions and compiles
what they write. All of it becomes one folder of the virtual environment:

    site-packages/ros_effocc_ros_messages.libs/
        lib*.so             the wheels' start-up code puts ros_*.libs on the library path
        overlay/effocc_ros  joins the path of the package effocc_ros (see its __init__)
        packages/tf2_msgs   joins sys.path through a .pth file
        stamp               what it was made from; an equal stamp means nothing to do

Run it with the environment's Python: `.venv/bin/python tools/build_messages.py`.
"""

import fcntl
import hashlib
import importlib.metadata
import io
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SITE = Path(sysconfig.get_path("platlib"))
PREFIX = Path(sys.prefix)
TARGET = SITE / "ros_effocc_ros_messages.libs"
SCRATCH = ".ros_effocc_ros_messages-"

TYPESUPPORTS = ("rosidl_typesupport_fastrtps_c", "rosidl_typesupport_introspection_c")
CODE_FOLDER = {"effocc_ros": "overlay", "tf2_msgs": "packages"}


def definitions() -> dict[str, dict[str, str]]:
    """Return the text of every message to build, by package and message name."""
    ours = {file.stem: file.read_text() for file in sorted((ROOT / "msg").glob("*.msg"))}
    tf2 = {"TFMessage": "geometry_msgs/TransformStamped[] transforms\n"}
    return {"effocc_ros": ours, "tf2_msgs": tf2}


def stamp() -> str:
    """Return a digest of all that the result depends on."""
    wheels = sorted(
        f"{wheel.metadata['Name']} {wheel.version}"
        for wheel in importlib.metadata.distributions(path=[str(SITE)])
        if (wheel.metadata["Name"] or "").startswith(("ros-", "ros_", "numpy"))
    )
    parts = (sys.version, str(PREFIX), *wheels, repr(definitions()), Path(__file__).read_text())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def generate(package: str, messages: dict[str, str], work: Path) -> Path:
    """Write the C, C++ and Python sources of one package; return their folder."""
    from rosidl_adapter.msg import convert_msg_to_idl
    from rosidl_generator_c.cli import GenerateC
    from rosidl_generator_py.cli import GeneratePython
    from rosidl_generator_type_description.cli import HashTypeDescription
    from rosidl_typesupport_c.cli import GenerateCTypesupport
    from rosidl_typesupport_fastrtps_c.cli import GenerateFastRTPSCTypesupport
    from rosidl_typesupport_introspection_c.cli import GenerateIntrospectionCTypesupport

    share, output = work / "share" / package, work / "source" / package
    (share / "msg").mkdir(parents=True)
    interfaces = []
    for name, text in messages.items():
        (share / "msg" / f"{name}.msg").write_text(text)
        convert_msg_to_idl(share, package, Path("msg", f"{name}.msg"), share / "msg")
        interfaces.append(f"{share}:msg/{name}.idl")
    includes = [str(PREFIX / "share")]
    # The classes are called themselves: rosidl_cli looks them up through entry points, which the
    # wheels register twice, and then refuses.
    hashes = HashTypeDescription("hash").generate_type_hashes(package, interfaces, includes, share)
    GenerateC("c").generate(package, interfaces, includes, output, hashes)
    for generator in (
        GeneratePython("py"),
        GenerateCTypesupport("c"),
        GenerateFastRTPSCTypesupport("fastrtps_c"),
        GenerateIntrospectionCTypesupport("introspection_c"),
    ):
        generator.generate(package, interfaces, includes, output)
    return output


def compile_package(package: str, source: Path, built: Path) -> None:
    """Compile one package's sources into libraries and Python extensions under ``built``."""
    code = built / CODE_FOLDER[package] / package
    (code / "msg").mkdir(parents=True)
    if CODE_FOLDER[package] == "packages":
        (code / "__init__.py").touch()
    for file in (source / "msg").glob("*.py"):
        shutil.copy(file, code / "msg")

    detail, message = source / "msg" / "detail", source / "msg"
    fastrtps, introspection = (f"{package}__{name}" for name in TYPESUPPORTS)
    c, support = f"{package}__rosidl_generator_c", f"{package}__rosidl_typesupport_c"
    py = f"{package}__rosidl_generator_py"
    libraries = (
        (c, [*detail.glob("*__functions.c"), *detail.glob("*__description.c")], []),
        (fastrtps, detail.glob("*__type_support_c.cpp"), [c]),
        (introspection, detail.glob("*__type_support.c"), [c]),
        (support, message.glob("*__type_support.cpp"), [c]),
        (py, message.glob("_*_s.c"), [c, support]),
    )
    for name, sources, needs in libraries:
        link(built / f"lib{name}.so", sorted(sources), needs, source.parent, built)
    for name in ("rosidl_typesupport_c", *TYPESUPPORTS):
        extension = code / f"{package}_s__{name}.so"
        needs = [py, f"{package}__{name}", c]
        link(extension, [source / f"_{package}_s.ep.{name}.c"], needs, source.parent, built)


def link(target: Path, sources: list[Path], needs: list[str], include: Path, built: Path) -> None:
    """Compile sources into one shared object; stop with the compiler's own words on failure."""
    import numpy

    cpp = sources[0].suffix == ".cpp"
    folders = [include, PREFIX / "include", sysconfig.get_path("include"), numpy.get_include()]
    folders += sorted(path for path in (PREFIX / "include").iterdir() if path.is_dir())
    # Message packages depend on each other's libraries; --as-needed keeps the ones really used.
    wheels = sorted((PREFIX / "lib").glob("lib*__rosidl_generator_*.so"))
    wheels += sorted((PREFIX / "lib").glob("lib*__rosidl_typesupport_*_c.so"))
    wheels += sorted((PREFIX / "lib").glob("librosidl_*_c.so"))
    wheels += [PREFIX / "lib" / name for name in ("librcutils.so", "libfastcdr.so")]
    wheels += [PREFIX / "lib" / "librosidl_typesupport_fastrtps_cpp.so"]
    command = ["g++", "-std=c++17"] if cpp else ["gcc", "-std=gnu11"]
    command += ["-O1", "-fPIC", "-shared", "-w", "-o", str(target), *map(str, sources)]
    command += [f"-I{folder}" for folder in folders]
    command += [f"-L{built}", "-Wl,--as-needed", *(f"-l{name}" for name in needs)]
    run = subprocess.run([*command, *map(str, wheels)], capture_output=True, text=True)
    if run.returncode:
        sys.exit(f"build_messages: {command[0]} failed on {target.name}\n{run.stderr.strip()}")


def check_tools() -> None:
    """Stop with one clear line when something needed to compile is not there."""
    header = Path(sysconfig.get_path("include"), "Python.h")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for there, what, package in (
        (shutil.which("gcc"), "gcc", "gcc"),
        (shutil.which("g++"), "g++", "g++"),
        (header.is_file(), f"the Python header {header}", f"python{version}-dev"),
    ):
        if not there:
            sys.exit(f"build_messages: {what} not found; install it: sudo apt install {package}")


@contextmanager
def locked_scratch() -> Iterator[Path]:
    """Give an empty folder on the target's file system, to one builder at a time."""
    with (SITE / f"{SCRATCH}lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in SITE.glob(f"{SCRATCH}*.tmp"):  # by a builder that was killed
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix=SCRATCH, suffix=".tmp", dir=SITE) as scratch:
            yield Path(scratch)


def is_built(wanted: str) -> bool:
    """Return whether the environment has the type support with that stamp."""
    file = TARGET / "stamp"
    return file.is_file() and file.read_text() == wanted


def main() -> int:
    """Build the type support unless it is there already."""
    wanted = stamp()
    if is_built(wanted):
        return 0
    check_tools()
    # The generators find their templates and the other packages' types through this.
    os.environ["AMENT_PREFIX_PATH"] = str(PREFIX)
    with locked_scratch() as scratch:
        built = scratch / "built"
        for package, messages in definitions().items():
            with redirect_stdout(io.StringIO()):  # rosidl_adapter tells of every file
                source = generate(package, messages, scratch)
            compile_package(package, source, built)
        (built / "stamp").write_text(wanted)
        TARGET.with_suffix(".pth").write_text(f"{TARGET.name}/packages\n")
        if TARGET.exists():
            TARGET.rename(scratch / "old")
        built.rename(TARGET)
    print(f"built the message type support: {', '.join(CODE_FOLDER)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
