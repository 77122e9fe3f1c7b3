# SPDX-License-Identifier: Apache-2.0
"""Names of the Occ3D classes that the street is built of."""

from effocc_ros.classes import OCC3D_NUSCENES

(
    OTHERS,
    BARRIER,
    BICYCLE,
    BUS,
    CAR,
    CONSTRUCTION_VEHICLE,
    MOTORCYCLE,
    PEDESTRIAN,
    TRAFFIC_CONE,
    TRAILER,
    TRUCK,
    DRIVEABLE_SURFACE,
    OTHER_FLAT,
    SIDEWALK,
    TERRAIN,
    MANMADE,
    VEGETATION,
    FREE,
) = range(len(OCC3D_NUSCENES.names))
