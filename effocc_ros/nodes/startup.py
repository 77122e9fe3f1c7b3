# SPDX-License-Identifier: Apache-2.0
"""What is connected, and what is missing, until the first frame is published."""

from dataclasses import dataclass

from rclpy.node import Node
from rclpy.qos import QoSCompatibility, qos_check_compatible
from rclpy.topic_endpoint_info import TopicEndpointInfo

from effocc_ros.nodes.inputs import Inputs
from effocc_ros.nodes.topics import LATCHED, Topic, wanted_profiles
from effocc_ros.stream import Stream

SHORT = {"BEST_EFFORT": "best effort", "TRANSIENT_LOCAL": "latched"}


@dataclass(frozen=True)
class InputRow:
    """One topic as the start-up table shows it.

    Attributes:
        sensor: Camera or LiDAR; ``tf``.
        what: ``image``, ``camera_info``, ``points``, ``odometry``, ``tf`` or ``tf_static``.
        topic: Full name after remapping.
        kind: Type that is subscribed to.
        publishers: Name, and where it matters type and QoS, of each publisher.
        mismatch: Why no publisher's messages can arrive; empty where some can, or there is none.
        kept: False where what its publishers sent before they found this node is lost, though it
            may be sent but once.
        received: Messages that have come.
        useless: A sensor's messages have come, and none of them could be used.
        calibrated: The camera's intrinsics are known; None where it needs none.
        mounted: tf, or a file, tells where the sensor is; None while that cannot be known.
    """

    sensor: str
    what: str
    topic: str
    kind: str
    publishers: tuple[str, ...] = ()
    mismatch: str = ""
    kept: bool = True
    received: int = 0
    useless: bool = False
    calibrated: bool | None = None
    mounted: bool | None = None

    @property
    def missed(self) -> bool:
        """Whether it may have been sent for the last time before this node could hear it."""
        return not self.received and not self.kept


def input_rows(node: Node, inputs: Inputs, stream: Stream) -> list[InputRow]:
    """Ask ROS who publishes the inputs, and the stream what it knows of the sensors."""
    rows = []
    used = {name: each.count for name, each in stream.statistics().inputs.items()}
    for topic in inputs.topics:
        received = inputs.counts[topic.name]
        publishers = inputs.publishers(topic)
        state = stream.sensor_state(topic.sensor)
        is_sensor = topic.what in ("image", "points")
        latched = any(each.qos_profile.durability == LATCHED for each in publishers)
        rows.append(
            InputRow(
                sensor=topic.sensor,
                what=topic.what,
                topic=node.resolve_topic_name(topic.name),
                kind=topic.type_name,
                publishers=tuple(f"{each.node_name} ({_qos(each)})" for each in publishers),
                mismatch=mismatch(topic, publishers),
                kept=topic.what != "tf_static" or latched or not publishers,
                received=received,
                useless=is_sensor and received > 0 and not used.get(topic.sensor, 0),
                calibrated=state.calibrated if topic.what == "image" else None,
                mounted=state.mounted if is_sensor else None,
            )
        )
    return rows


def mismatch(topic: Topic, publishers: list[TopicEndpointInfo]) -> str:
    """Say why no publisher's messages can arrive; empty where some can, or there is none."""
    reasons = [_reason(topic, each) for each in publishers]
    return "" if "" in reasons else "; ".join(dict.fromkeys(reasons))


def _reason(topic: Topic, publisher: TopicEndpointInfo) -> str:
    if publisher.topic_type != topic.type_name:
        return f"{publisher.node_name} sends {publisher.topic_type}, not {topic.type_name}"
    profiles = wanted_profiles(topic, [publisher.qos_profile])
    verdicts = [qos_check_compatible(publisher.qos_profile, profile) for profile in profiles]
    if any(verdict != QoSCompatibility.ERROR for verdict, _ in verdicts):
        return ""
    reason = verdicts[-1][1].strip().rstrip(";")
    return f"{publisher.node_name} offers another QoS ({reason}); parameter reliability: auto"


def _qos(publisher: TopicEndpointInfo) -> str:
    profile = publisher.qos_profile
    names = (profile.reliability.name, profile.durability.name)
    return ", ".join(SHORT.get(name, name.lower()) for name in names)


def namesakes(node: Node) -> str:
    """Say that other nodes have the same name; empty where none has."""
    own = node.get_name(), node.get_namespace()
    others = node.get_node_names_and_namespaces().count(own) - 1
    if others < 1:
        return ""
    return (
        f"{others} more of the name {node.get_fully_qualified_name()}: requests reach any of them "
        "and their outputs mix; end it, or give each a name (-r __node:=) or a namespace"
    )


def table(rows: list[InputRow]) -> str:
    """Render the rows as a table for the log."""
    head = ("input", "topic", "type", "publishers", "received", "calibrated", "pose")
    body = [
        (
            f"{row.sensor} {row.what}" if row.sensor != "tf" else row.what,
            row.topic,
            row.kind.rsplit("/", 1)[1],
            "; ".join(row.publishers) or "NONE",
            str(row.received),
            _word(row.calibrated),
            _word(row.mounted),
        )
        for row in rows
    ]
    widths = [max(len(line[i]) for line in (head, *body)) for i in range(len(head))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in (head, *body)
    ]
    return "\n".join(lines)


def missing(rows: list[InputRow], reference: str, localised: bool | None) -> str:
    """Say in a sentence why nothing has been published yet, and what to do.

    Args:
        rows: The table.
        reference: Sensor whose messages make the frames.
        localised: Whether tf tells the ego motion; None where none is wanted.
    """
    # What makes the frames comes first: without it all else is of no use.
    ordered = sorted(rows, key=lambda row: row.sensor != reference)
    reasons = [f"{row.topic}: {row.mismatch}" for row in ordered if row.mismatch]
    silent = [row for row in ordered if not row.received and not row.mismatch]
    alone = [row.topic for row in silent if not row.publishers]
    quiet = [row.topic for row in silent if row.publishers and not row.missed]
    reasons += [_too_early(row) for row in silent if row.missed]
    if alone:
        reasons.append(f"nobody publishes {', '.join(alone)} (check remappings and rig)")
    if quiet:
        reasons.append(f"nothing has come on {', '.join(quiet)} (check the publisher)")
    useless = [row.topic for row in ordered if row.useless]
    if useless:
        reasons.append(f"nothing usable has come on {', '.join(useless)} (see the warnings above)")
    ordered = [row for row in ordered if not row.useless]
    lost = [row.sensor for row in ordered if row.received and row.mounted is False]
    if lost:
        reasons.append(f"tf does not tell where {', '.join(lost)} is (check frame_id and tf)")
    dark = [row.sensor for row in ordered if row.received and row.calibrated is False]
    if dark:
        reasons.append(f"no CameraInfo of {', '.join(dark)}")
    if localised is False:
        reasons.append("tf does not connect fixed_frame and base_frame")
    if not reasons:
        return "all inputs have come; the first frame is being made, or see the warnings above"
    return "nothing was published yet: " + "; ".join(reasons)


def _too_early(row: InputRow) -> str:
    return (
        f"nothing has come on {row.topic} from {'; '.join(row.publishers)}: what is sent once and "
        "not latched is lost to a node that was not found yet (let it latch: transient local "
        "durability, or send again)"
    )


def _word(known: bool | None) -> str:
    return "" if known is None else "yes" if known else "NO"
