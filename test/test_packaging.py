# SPDX-License-Identifier: Apache-2.0
"""package.xml, CMakeLists.txt, setup.cfg and the requirement files tell the same story."""

import ast
import configparser
import importlib.util
import os
import re
import runpy
import subprocess
import sys
import zipfile
from xml.etree import ElementTree

import pytest

import effocc_ros
from effocc_ros.cli import VERBS


def defines(repository, module, function):
    base = repository / module.replace(".", "/")
    file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if not file.is_file():
        return False
    body = ast.parse(file.read_text()).body
    return any(isinstance(node, ast.FunctionDef) and node.name == function for node in body)


@pytest.fixture(scope="module")
def setup_cfg(repository):
    parser = configparser.ConfigParser()
    parser.read(repository / "setup.cfg")
    return parser


@pytest.fixture(scope="module")
def cmake(repository):
    return (repository / "CMakeLists.txt").read_text()


def cmake_list(cmake, start, end):
    return re.search(rf"{start}(.*?){end}", cmake, re.DOTALL).group(1).split()


def pinned(file):
    return set(re.findall(r"^([a-z0-9-]+)==", file.read_text(), re.MULTILINE))


def test_package_xml_and_the_code_have_one_name_version_and_licence(repository, setup_cfg, cmake):
    package = ElementTree.parse(repository / "package.xml").getroot()
    assert package.findtext("name") == setup_cfg["metadata"]["name"] == "effocc_ros"
    assert f"project({package.findtext('name')})" in cmake
    assert package.findtext("version") == effocc_ros.__version__
    assert setup_cfg["metadata"]["version"] == "attr: effocc_ros.__version__"
    assert package.findtext("license") == setup_cfg["metadata"]["license"] == "Apache-2.0"
    assert "Apache License" in (repository / "LICENSE").read_text()


def test_every_console_script_exists(repository, setup_cfg):
    scripts = setup_cfg["options.entry_points"]["console_scripts"].split("\n")
    targets = [line.split("=")[1].strip() for line in scripts if line]
    assert len(targets) == 3
    for target in targets:
        assert defines(repository, *target.split(":")), target


@pytest.mark.parametrize("node", ["occ_node", "bag_player"])
def test_every_executable_has_a_node_with_a_main(repository, node):
    assert defines(repository, "effocc_ros.nodes.executables", node)
    assert defines(repository, f"effocc_ros.nodes.{node}", "main")


def test_package_xml_names_every_package_that_nodes_and_launch_files_import(repository):
    package = ElementTree.parse(repository / "package.xml").getroot()
    named = {element.text for element in package if element.tag.endswith("depend")}
    keys = {"cv2": "opencv", "yaml": "yaml", "numpy": "numpy", "torch": "torch", "tqdm": "tqdm"}
    without_key = {"effocc_ros", "rosbags", "safetensors"}  # README tells how to get them
    files = [
        *(repository / "effocc_ros/nodes").glob("*.py"),
        *(repository / "launch").glob("*.py"),
    ]
    pattern = r"^ *(?:from|import) (\w+)"
    imported = {name for f in files for name in re.findall(pattern, f.read_text(), re.MULTILINE)}
    imported -= sys.stdlib_module_names | without_key
    assert "rclpy" in imported
    assert {
        f"python3-{keys[name]}" if name in keys else name for name in imported
    } - named == set()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_module_that_registers_it(repository, verb):
    assert defines(repository, VERBS[verb].module, "register")


def test_colcon_installs_every_script_and_each_can_be_run(repository, cmake):
    programs = cmake_list(cmake, r"install\(PROGRAMS", "DESTINATION")
    assert sorted(programs) == sorted(
        f"scripts/{f.name}" for f in (repository / "scripts").iterdir()
    )
    for program in programs:
        assert os.access(repository / program, os.X_OK), program
        imported = re.search(r"from (\S+) import (\w+)", (repository / program).read_text())
        assert defines(repository, *imported.groups()), program
        entry = f"{os.path.basename(program)} = {imported[1]}:{imported[2]}\n"
        assert entry in (repository / "setup.cfg").read_text(), f"pip installs another {program}"


def test_a_script_runs_nothing_again_in_the_processes_that_it_starts(repository):
    for script in (repository / "scripts").iterdir():
        runpy.run_path(str(script), run_name="__mp_main__")  # as multiprocessing's spawn does


def test_colcon_builds_every_message_and_installs_folders_that_exist(repository, cmake):
    built = re.findall(r'"msg/(\w+)\.msg"', cmake)
    assert sorted(built) == sorted(file.stem for file in (repository / "msg").glob("*.msg"))
    for folder in cmake_list(cmake, r"install\(DIRECTORY\n", "DESTINATION"):
        assert any((repository / folder).iterdir()), f"{folder} is empty: git would lose it"


def test_every_code_folder_is_a_package_that_pip_finds(repository):
    folders = {file.parent for file in (repository / "effocc_ros").rglob("*.py")}
    assert [str(f) for f in sorted(folders) if not (f / "__init__.py").is_file()] == []


def test_every_requirement_has_one_version_in_the_constraints(repository):
    lines = (repository / "requirements.txt").read_text().lower().splitlines()
    lines = [line for line in lines if line and not line.startswith(("#", "-c "))]
    names = {line.split(";")[0].strip() for line in lines}
    assert "torch" in names
    assert names - pinned(repository / "constraints.txt") == set()


def test_pip_and_the_lock_agree_on_the_runtime_requirements(repository, setup_cfg):
    options = setup_cfg["options"]["install_requires"].lower().split("\n")
    needed = {re.match(r"[a-z0-9-]+", line).group() for line in options if line}
    assert needed - pinned(repository / "constraints.txt") == set()


def test_pip_installs_every_package_that_the_code_imports(repository, setup_cfg):
    extras = setup_cfg["options.extras_require"]
    lines = [setup_cfg["options"]["install_requires"]]
    lines += [extras[name] for name in ("export", "fleet", "sim", "train", "view", "window")]
    declared = set(re.findall(r"^[a-z0-9-]+", "\n".join(lines).lower(), re.MULTILINE))
    files = set((repository / "effocc_ros").rglob("*.py"))
    files -= set((repository / "effocc_ros/nodes").glob("*.py"))
    pattern = r"^ *(?:from|import) ([a-z]\w*)[\w.]*(?: import| as|$)"
    imported = {n for f in files for n in re.findall(pattern, f.read_text(), re.MULTILINE)}
    # `compression` is in the standard library from Python 3.14 on.
    imported -= sys.stdlib_module_names | {"effocc_ros", "compression"}
    names = {"cv2": "opencv-python-headless", "yaml": "pyyaml", "backports": "backports-zstd"}
    names |= {"lightning_fabric": "lightning-fabric"}
    names |= {"open3d": "open3d-cpu", "rerun": "rerun-sdk"}
    assert "backports" in imported
    assert {names.get(name, name.lower()) for name in imported} - declared == set()


def test_setup_the_check_of_the_machine_and_the_texts_name_the_same_pythons(repository, setup_cfg):
    oldest, newest = runpy.run_path(str(repository / "tools/check_machine.py"))["PYTHONS"]
    wanted = f">={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"
    assert setup_cfg["options"]["python_requires"] == wanted
    said = f"Python {oldest[0]}.{oldest[1]} to {newest[0]}.{newest[1]}"
    for name in ("README.md", "constraints.txt"):
        assert said in (repository / name).read_text(), name


def test_every_ros_wheel_is_locked_with_hashes(repository):
    text = (repository / "requirements-ros.txt").read_text()
    blocks = re.split(r"^(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE), flags=re.M)
    blocks = [block for block in blocks if block.strip()]
    wanted = re.findall(r"^(ros-[a-z-]+)", (repository / "requirements-ros.in").read_text(), re.M)
    locked = {block.split("==")[0] for block in blocks}
    assert set(wanted) - locked == set()
    for block in blocks:
        assert re.fullmatch(
            r"ros-[a-z0-9-]+==[\d.]+( \\\n    --hash=sha256:[0-9a-f]{64})+\n", block
        )


def test_a_wheel_carries_the_code_and_the_shared_files(repository, tmp_path):
    if importlib.util.find_spec("setuptools.command.bdist_wheel") is None:  # before 70.1
        pytest.importorskip("wheel", reason="nothing here builds wheels")
    command = [sys.executable, "setup.py", "--quiet"]
    command += ["build", "--build-base", str(tmp_path / "build")]
    command += ["egg_info", "--egg-base", str(tmp_path)]
    command += ["bdist_wheel", "--dist-dir", str(tmp_path), "--bdist-dir", str(tmp_path / "wheel")]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"effocc_ros/nodes/executables.py", "effocc_ros/py.typed"} <= set(names)
    share = f"effocc_ros-{effocc_ros.__version__}.data/data/share/effocc_ros"
    assert f"{share}/package.xml" in names
    assert f"{share}/msg/SemanticOccupancy.msg" in names
    for file in (repository / "config").rglob("*.yaml"):
        assert f"{share}/{file.relative_to(repository)}" in names


def test_every_source_file_names_its_licence(repository):
    for folder in ("effocc_ros", "benchmarks", "launch", "test", "tools"):
        for file in (repository / folder).rglob("*.py"):
            text = file.read_text(encoding="utf-8")
            assert not text or "SPDX-License-Identifier: Apache-2.0" in text[:100], file
