# SPDX-License-Identifier: Apache-2.0
"""One model, described by values."""

from dataclasses import dataclass

from effocc_ros.geometry import VoxelGrid

MODALITIES = ("fusion", "vision", "lidar")
IMAGE_BACKBONES = ("resnet18", "resnet50", "swin_b")
IMAGE_NECKS = ("fpn", "concat")
BEV_ENCODERS = ("second", "resnet")
IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class ModelConfig:
    """Everything that tells one network of the EFFOcc family from another.

    The presets in ``config/model`` are its instances. What a modality has no use for is left at
    its default: a LiDAR network has no cameras, a vision network no voxels.

    Attributes:
        name: The preset's name.
        modality: ``fusion``, ``vision`` or ``lidar``.
        classes: Name of the list that says what the labels mean.
        class_count: Number of classes that the head tells apart.
        grid: The voxels of the output.
        frame: ``ego`` or ``lidar``: the frame in which the network works and ``grid`` stands.
        flow: True when the head also gives a flow (x, y) in m/s for every voxel.
        cameras: Camera names in the order in which the network stacks them.
        key_camera: The camera BEV stands in the ego frame at this camera's time; empty: at the
            reference time, and the depth images take the motion until each image out, too.
        points_camera: Points are put into the ego frame at this camera's time; empty: at the
            reference time.
        image_size: Height and width of the input images in pixels.
        image_mean: Subtracted from the channels B, G, R, in this order.
        image_std: The channels are divided by it, in the same order.
        image_backbone: ``resnet18``, ``resnet50`` or ``swin_b``.
        image_width: Channels of the backbone's first stage before expansion.
        image_stages: Backbone stages (0 to 3) that go to the neck.
        image_neck: ``fpn`` (lateral and top-down) or ``concat`` (upsample and concatenate).
        image_channels: Channels of the image features.
        image_downsample: Input pixels per feature cell.
        depth_range: Start, end (excluded) and step of the depth bins in metres.
        bev: The cells into which image features are splatted.
        bev_channels: Channels of the camera BEV.
        voxels: The LiDAR voxels.
        max_voxels: Voxels kept per cloud; those that are seen first win.
        max_points_per_voxel: Points averaged per voxel; those that are seen first win.
        sweeps: Earlier LiDAR sweeps added to the reference sweep.
        tanh_columns: Point columns that are squashed by tanh before use.
        voxel_widths: Channels of the sparse encoder's stages; between stages the sites halve.
        voxel_blocks: Residual blocks per stage of the sparse encoder.
        bev_encoder: The trunk: ``second`` (SECOND's two levels, behind the fuser where there are
            cameras) or ``resnet`` (FlashOcc's, for vision networks alone).
        fused_channels: Channels after camera and LiDAR BEV are merged.
        trunk_widths: Channels of the two levels of the fused BEV backbone.
        trunk_layers: 3x3 convolutions per level of the fused BEV backbone.
        trunk_channels: Channels per level of the fused BEV neck.
        encoder_widths: Channels of the three levels of the camera BEV backbone (``resnet``).
        encoder_channels: Channels of the camera BEV neck (``resnet``).
        upsample_channels: Channels after the trunk's features are doubled in size for the head;
            0 where the trunk works at the size of ``grid``.
        point_grid: The head also sees which voxels of ``grid`` hold points.
        head_channels: Channels of the head's convolution.
        head_hidden: Hidden units of the head's perceptron.
    """

    name: str
    modality: str
    classes: str
    class_count: int
    grid: VoxelGrid
    frame: str = "ego"
    flow: bool = False
    cameras: tuple[str, ...] = ()
    key_camera: str = ""
    points_camera: str = ""
    image_size: tuple[int, int] = (256, 704)
    image_mean: tuple[float, float, float] = IMAGENET_MEAN
    image_std: tuple[float, float, float] = IMAGENET_STD
    image_backbone: str = "resnet18"
    image_width: int = 64
    image_stages: tuple[int, ...] = (1, 2, 3)
    image_neck: str = "fpn"
    image_channels: int = 128
    image_downsample: int = 8
    depth_range: tuple[float, float, float] = (1.0, 45.0, 0.5)
    bev: VoxelGrid | None = None
    bev_channels: int = 64
    voxels: VoxelGrid | None = None
    max_voxels: int = 120_000
    max_points_per_voxel: int = 10
    sweeps: int = 0
    tanh_columns: tuple[int, ...] = ()
    voxel_widths: tuple[int, ...] = (16, 32, 64, 128)
    voxel_blocks: int = 2
    bev_encoder: str = "second"
    fused_channels: int = 256
    trunk_widths: tuple[int, int] = (128, 256)
    trunk_layers: int = 6
    trunk_channels: int = 256
    encoder_widths: tuple[int, int, int] = (128, 256, 512)
    encoder_channels: int = 256
    upsample_channels: int = 0
    point_grid: bool = False
    head_channels: int = 256
    head_hidden: int = 512

    @property
    def trunk_size(self) -> tuple[int, int]:
        """Height and width (y, x) in cells of the maps that the trunk works on."""
        width, height, _ = self.grid.shape
        return height // self.trunk_step, width // self.trunk_step

    @property
    def trunk_step(self) -> int:
        """Voxels of ``grid`` to a cell of these maps, along x and along y."""
        return 2 if self.upsample_channels else 1

    @property
    def sparse_channels(self) -> int:
        """Channels of the BEV that the sparse encoder gives."""
        layers = self.voxels.shape[2] + 1  # one empty layer more than the cloud
        for stage in range(1, len(self.voxel_widths)):
            last = stage + 1 == len(self.voxel_widths)
            layers = (layers - 3 + (0 if last else 2)) // 2 + 1
        return self.voxel_widths[-1] * ((layers - 3) // 2 + 1)

    @property
    def lidar_channels(self) -> int:
        """Channels of the LiDAR BEV."""
        points = self.grid.shape[2] * self.trunk_step**2 if self.point_grid else 0
        return self.sparse_channels + points
