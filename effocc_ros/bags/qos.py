# SPDX-License-Identifier: Apache-2.0
"""The QoS profiles that go into a bag, so that playing it offers what the live system offered."""

from rosbags.interfaces import (
    Qos,
    QosDurability,
    QosHistory,
    QosLiveliness,
    QosReliability,
    QosTime,
)

INFINITE = QosTime(9223372036, 854775807)
"""How ROS 2 writes "no deadline": the greatest rmw_time, in the nanoseconds of an int64."""

TF_DEPTH = 100
"""Queue length of tf2's broadcasters."""


def qos_profile(
    depth: int = 10, *, reliable: bool = True, transient_local: bool = False
) -> tuple[Qos, ...]:
    """Return the profiles (one) of a topic that keeps its last ``depth`` messages."""
    return (
        Qos(
            history=QosHistory.KEEP_LAST,
            depth=depth,
            reliability=QosReliability.RELIABLE if reliable else QosReliability.BEST_EFFORT,
            durability=(
                QosDurability.TRANSIENT_LOCAL if transient_local else QosDurability.VOLATILE
            ),
            deadline=INFINITE,
            lifespan=INFINITE,
            liveliness=QosLiveliness.AUTOMATIC,
            liveliness_lease_duration=INFINITE,
            avoid_ros_namespace_conventions=False,
        ),
    )


def default_qos(topic: str) -> tuple[Qos, ...]:
    """Return what publishers of ``topic`` offer by convention.

    ``/tf_static`` is transient local: a listener that starts late still gets the sensors'
    places, from a live car and from ``ros2 bag play`` alike.
    """
    if topic == "/tf_static":
        return qos_profile(TF_DEPTH, transient_local=True)
    return qos_profile(TF_DEPTH if topic == "/tf" else 10)
