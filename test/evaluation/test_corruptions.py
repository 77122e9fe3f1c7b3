# SPDX-License-Identifier: Apache-2.0
"""What `effocc evaluate --corrupt` does to a sample's Frame."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.drives import (
    CAMERA_US,
    SPEED,
    VERSION,
    make_drives,
    read_table,
    token,
    write_table,
)

from effocc_ros.datasets.benchmarks import open_dataset
from effocc_ros.errors import InputError
from effocc_ros.evaluation.corruptions import beam_numbers, choose, corruptions
from effocc_ros.evaluation.late_images import earlier_images, ego_motion
from effocc_ros.frame import NUSCENES_CAMERAS, Camera
from effocc_ros.geometry import rigid
from effocc_ros.presets import load_preset

FUSION, VISION, LIDAR = map(load_preset, ("fusion_tiny", "vision_tiny", "lidar_tiny"))


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = make_drives(tmp_path_factory.mktemp("corrupt") / "nuscenes")
    return open_dataset("occ3d_nuscenes", root, "mini_train")


@pytest.fixture(scope="module")
def sample(dataset):
    return dataset[1]


def corrupted(name, sample):
    (corruption,) = choose(name, FUSION)
    return corruption.apply(sample)


def striped(sample):
    """The sample with something in its images."""
    stripes = np.tile(np.uint8([0, 0, 250, 250]), (36, 160))[..., None].repeat(3, axis=2)
    cameras = tuple(replace(camera, image=stripes) for camera in sample.frame.cameras)
    return replace(sample, frame=replace(sample.frame, cameras=cameras))


def same(first, second):
    """Whether two Frames hold the same bytes."""

    def content(frame):
        cameras = [(c.name, c.image.tobytes(), c.sensor2ego.tobytes()) for c in frame.cameras]
        return cameras, None if frame.cloud is None else frame.cloud.points.tobytes()

    return content(first) == content(second)


@pytest.mark.parametrize("corruption", corruptions(), ids=lambda corruption: corruption.name)
def test_the_same_sample_is_always_corrupted_in_the_same_way(dataset, sample, corruption):
    once = corruption.apply(striped(sample))
    corruption.apply(dataset[0])
    assert same(once, corruption.apply(striped(dataset[1])))
    assert not same(once, striped(sample).frame)
    assert same(sample.frame, dataset[1].frame)  # the sample itself stays as it was


def test_so_many_cameras_are_gone_and_not_always_the_same_ones(sample):
    for name, left in (("one_camera_gone", 5), ("three_cameras_gone", 3), ("six_cameras_gone", 0)):
        assert len(corrupted(name, sample).cameras) == left
    silent = {
        frozenset(corrupted("one_camera_gone", replace(sample, token=str(n))).inputs)
        for n in range(30)
    }
    assert len(silent) == 6
    assert corrupted("lidar_gone", sample).cloud is None


def test_nights_are_dark_fog_is_grey_above_and_blur_has_no_edges(sample):
    image = np.zeros((90, 160, 3), np.uint8)
    image[:, 80:] = 200
    camera = Camera(
        "CAM_FRONT",
        image,
        np.array([[120.0, 0, 80], [0, 120.0, 45], [0, 0, 1]]),
        # Looks ahead from 1.5 m up: x right, y down, z forward.
        rigid((0.5, -0.5, 0.5, -0.5), (1.5, 0, 1.5)),
        np.eye(4),
        0,
    )
    sample = replace(sample, frame=replace(sample.frame, cameras=(camera,)))
    dark, foggy, blurred = (
        corrupted(name, sample).cameras[0].image for name in ("night", "fog", "blur")
    )
    # 6 % of the light: (200 / 255) ** 2.2 * 0.06 is a grey value of 56.
    assert dark[:, 80:].mean() == pytest.approx(56, abs=3)
    assert dark[:, 80:].std() > 3
    assert abs(foggy[10, 40].astype(int) - 200).max() < 10
    # The lowest row sees the ground 1.5 m / (44 / 120) ahead: 4.4 m along the ray.
    expected = 200 * (1 - 0.05 ** (4.36 / 50))
    assert foggy[-1, 79].mean() == pytest.approx(expected, abs=3)
    assert 0 < blurred[45, 79, 0] < blurred[45, 80, 0] < 200


def test_fog_takes_what_is_far_or_dark(sample):
    cloud = sample.frame.cloud
    places = [(5, 0, 0), (20, 0, 0), (60, 0, 0), (60, 0, 0)]
    intensity = [20, 2, 20, 255]
    points = np.zeros((4, 5), np.float32)
    points[:, :3] = np.array(places) + cloud.sensor2ego[:3, 3]
    points[:, 3] = intensity
    sample = replace(sample, frame=replace(sample.frame, cloud=replace(cloud, points=points)))
    assert corrupted("fog", sample).cloud.points.tolist() == points[:1].tolist()


def test_extrinsics_are_off_by_half_a_degree(sample):
    for before, after in zip(
        sample.frame.cameras, corrupted("extrinsics_off", sample).cameras, strict=True
    ):
        turn = before.sensor2ego[:3, :3].T @ after.sensor2ego[:3, :3]
        angle = np.degrees(np.arccos((np.trace(turn) - 1) / 2))
        assert angle == pytest.approx(0.5, abs=1e-6)
        assert (after.sensor2ego[:3, 3] == before.sensor2ego[:3, 3]).all()


def test_every_second_beam_goes_whichever_sweep_it_is_of(sample):
    frame = sample.frame
    beams = np.tile(np.arange(32), 3)
    lags = np.repeat(np.float32([0, 0.05, 0.1]), 32)
    elevation = np.radians(-30.67 + beams * 4 / 3)
    x, z = 10 * np.cos(elevation), 10 * np.sin(elevation)
    points = np.zeros((96, 5), np.float32)
    points[:, :3] = (
        np.stack([0 * x, x, z], axis=1)
        + frame.cloud.sensor2ego[:3, 3]
        - np.outer(lags, ego_motion(frame, 1.0)[:3, 3])
    )
    points[:, 4] = lags
    # The sensor turns about the vertical axis alone: elevations are those of the ego frame.
    frame = replace(frame, cloud=replace(frame.cloud, points=points))
    assert beam_numbers(frame).tolist() == beams.tolist()
    kept = corrupted("half_the_beams", replace(sample, frame=frame)).cloud.points
    assert len(kept) == 48


def test_the_vehicle_goes_on_as_it_went_between_the_images(sample):
    motion = ego_motion(sample.frame, 0.1)
    assert np.linalg.norm(motion[:3, 3]) == pytest.approx(0.1 * SPEED, rel=2e-2)
    still = replace(sample.frame, cameras=())
    assert (ego_motion(still, 0.1) == np.eye(4)).all()


def test_without_earlier_images_the_cameras_claim_to_be_a_metre_ahead(dataset, sample):
    assert earlier_images(dataset) is None
    for before, after in zip(
        sample.frame.cameras, corrupted("images_late", sample).cameras, strict=True
    ):
        assert after.image is before.image
        ahead = after.sensor2ego[:3, 3] - before.sensor2ego[:3, 3]
        assert np.linalg.norm(ahead) == pytest.approx(0.1 * SPEED, rel=5e-2)


def test_an_image_of_a_tenth_of_a_second_before_takes_the_place_of_the_image(tmp_path):
    root = make_drives(tmp_path / "nuscenes", ("scene-0061",))
    rows = read_table(root, "sample_data")
    # The first keyframe's image becomes a sweep 80 ms before the second keyframe's.
    first, second = (
        next(r for r in rows if "/CAM_BACK/" in r["filename"] and r["sample_token"] == sample)
        for sample in (token("scene-0061", 0), token("scene-0061", 1))
    )
    first |= {"timestamp": second["timestamp"] - 80_000, "is_key_frame": False}
    first["sample_token"] = second["sample_token"]
    write_table(root, "sample_data", rows)
    cameras = ("CAM_BACK", "CAM_FRONT")
    dataset = open_dataset("occ3d_nuscenes", root, "mini_train", version=VERSION, cameras=cameras)
    sample = dataset[1]
    earlier = earlier_images(dataset)
    (late,) = choose("images_late", FUSION, earlier)
    assert "of 100 ms before" in late.said
    back, front = late.apply(sample).cameras
    assert (back.image == earlier(sample, sample.frame.cameras[0])).all()
    assert (back.image != sample.frame.cameras[0].image).any()
    assert (back.sensor2ego == sample.frame.cameras[0].sensor2ego).all()
    # This one has no earlier image.
    assert front.image is sample.frame.cameras[1].image
    assert (front.sensor2ego != sample.frame.cameras[1].sensor2ego).any()
    assert CAMERA_US["CAM_FRONT"] < 0


def test_all_is_what_a_network_can_notice():
    assert [some.name for some in choose("all", LIDAR)] == ["lidar_gone", "fog", "half_the_beams"]
    assert len(choose("all", FUSION)) == 10
    assert [some.name for some in choose("all", VISION) if some.stops(VISION)] == [
        "six_cameras_gone"
    ]
    assert [some.name for some in choose("all", LIDAR) if some.stops(LIDAR)] == ["lidar_gone"]
    assert not any(some.stops(FUSION) for some in choose("all", FUSION))
    assert set(FUSION.cameras) == set(NUSCENES_CAMERAS)


@pytest.mark.parametrize(
    ("names", "config", "said"),
    [
        ("rain", FUSION, "--corrupt: found 'rain'; expected one of one_camera_gone, .*, all"),
        ("night,", FUSION, "found ''"),
        ("night", LIDAR, "night, which a lidar network does not notice; expected one of lidar_go"),
    ],
)
def test_what_cannot_be_corrupted_is_named(names, config, said):
    with pytest.raises(InputError, match=said):
        choose(names, config)
