# SPDX-License-Identifier: Apache-2.0
"""``occ_node``: the lifecycle node around the stream and the network."""

import threading
from collections.abc import Callable
from dataclasses import fields
from functools import wraps

from lifecycle_msgs.msg import State, Transition
from rcl_interfaces.msg import SetParametersResult
from rclpy.executors import Executor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.task import Future

from effocc_ros.classes import class_list
from effocc_ros.errors import InputError
from effocc_ros.nodes.executor import Backlog, call_soon, cheapest_executor, spin_once
from effocc_ros.nodes.loading import NetworkLoading
from effocc_ros.nodes.models import model_config
from effocc_ros.nodes.outputs import Outputs, check_outputs
from effocc_ros.nodes.parameters import declare
from effocc_ros.nodes.session import Session
from effocc_ros.nodes.settings import NETWORK, NodeSettings
from effocc_ros.nodes.stopping import SPIN_SECONDS, ros_until_signal, teardown_may_hang
from effocc_ros.nodes.stream_settings import stream_config
from effocc_ros.predictor import Predictor

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE
DYNAMIC = {each.name for each in fields(NodeSettings) if each.metadata["dynamic"]}


def _logged(transition: Callable) -> Callable:
    """Log what a lifecycle callback raises, and fail: rclpy swallows it without a trace."""

    @wraps(transition)
    def run(self: "OccNode", state: LifecycleState) -> TransitionCallbackReturn:
        try:
            return transition(self, state)
        except Exception as error:  # a broken driver raises anything
            name = transition.__name__.removeprefix("on_")
            is_ours = isinstance(error, InputError)
            text = str(error) if is_ours else f"{type(error).__name__}: {error}"
            self.get_logger().error(f"{name} failed: {text}")
            return FAILURE

    return run


class OccNode(LifecycleNode):
    """Semantic occupancy from camera images and LiDAR points, over ROS.

    Configured, it has a network and publishers; active, it subscribes and publishes.

    Args:
        executor: Runs the node; networks load beside it, in a thread of their own.

    Attributes:
        settings: The parameters as they are now.

    Raises:
        InputError: A parameter's value is not one of those allowed.
    """

    def __init__(self, executor: Executor):
        super().__init__("occ_node")
        self.settings, unknown = declare(self, NodeSettings)
        for line in unknown:
            self.get_logger().warning(line)
        self._executor_of_node = executor
        self._loading = NetworkLoading(executor, lambda: self.settings)
        self._predictor: Predictor | None = None
        self._in_use = self.settings
        self._reverting = False
        self._outputs: Outputs | None = None
        self._session: Session | None = None
        self.add_on_set_parameters_callback(self._on_set_parameters)
        self._let_requests_wait_for_the_network()
        executor.add_node(self)

    @_logged
    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and make the publishers."""
        try:
            self._predictor, self._in_use = self._loading.take(), self.settings
            stream_config(self.settings, self._predictor.config)
            check_outputs(self.settings, self._predictor.classes)
            self._outputs = Outputs(self, lambda: self.settings)
        except Exception:
            self._release()
            raise
        self._announce(self._predictor)
        return super().on_configure(state)

    @_logged
    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and begin to predict."""
        self._session = Session(
            self, self.settings, self._predictor, self._outputs, self._call_soon
        )
        try:
            enabled = super().on_activate(state)
        except Exception:
            self._end_session()
            super().on_deactivate(state)
            raise
        self.get_logger().info(f"active: {self._session.frames_come_from()}")
        return enabled

    @_logged
    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Finish the frame in hand and unsubscribe."""
        self._end_session()
        return super().on_deactivate(state)

    @_logged
    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Release the network and the publishers."""
        self._release()
        return SUCCESS

    @_logged
    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End everything, from whatever state."""
        self._release()
        return SUCCESS

    @_logged
    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured."""
        self._release()
        return SUCCESS

    def bring_up(self, failed: Callable[[], None]) -> None:
        """Load the network, then configure and activate; services answer meanwhile."""

        def go_on(_: Future) -> None:
            if self._state_machine.current_state[0] != State.PRIMARY_STATE_UNCONFIGURED:
                self._loading.drop()
                self.get_logger().info("a request came first: autostart leaves the node to that")
            elif not (self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS):
                failed()

        self._loading.ahead().add_done_callback(go_on)

    def postpone(self) -> None:
        """Let messages wait: they come faster than they are handled, and requests wait too."""
        if self._session is not None:
            self._session.postpone()

    def close(self) -> None:
        """End the session, destroy publishers and subscriptions and free the network."""
        self._release()

    def _call_soon(self, function: Callable[[], None]) -> None:
        call_soon(self._executor_of_node, function)

    def _let_requests_wait_for_the_network(self) -> None:
        """Load the network before a requested transition, not in it: other requests go on."""
        service = self._service_change_state
        change_state = service.callback

        async def wait(request, response):
            transition = request.transition
            configure = transition.id == Transition.TRANSITION_CONFIGURE and not transition.label
            if (configure or transition.label == "configure") and self._predictor is None:
                await self._loading.ahead()
            answer = change_state(request, response)
            self._loading.drop()  # where another request has used one already
            return answer

        service.callback = wait

    def _end_session(self) -> None:
        if self._session is not None:
            self._predictor = self._session.end()
            self._session = None

    def _release(self) -> None:
        self._end_session()
        self._loading.drop()
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        if self._predictor is not None:
            self._predictor.close()
            self._predictor = None

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Check new values; begin to load a new network while the old one goes on."""
        values = {parameter.name: parameter.value for parameter in parameters}
        try:
            settings = self.settings.changed(values)
            if self._reverting:
                self.settings = settings
                return SetParametersResult(successful=True)
            names = {each.name for each in fields(NodeSettings)}
            changed = {n for n in names if getattr(settings, n) != getattr(self.settings, n)}
            if self._session is not None and changed - DYNAMIC:
                raise InputError(
                    f"parameter {', '.join(sorted(changed - DYNAMIC))}",
                    found="a new value while the node is active",
                    expected="the node unconfigured or inactive",
                    do="Deactivate it first: ros2 lifecycle set",
                    reason="not_dynamic",
                )
            other_network = settings.network != self.settings.network
            in_use = self._predictor is not None and settings.network == self._in_use.network
            if in_use:
                other_network = False  # back to what never stopped
            if other_network or (self._predictor is not None and not in_use):
                network = model_config(settings)
                stream_config(settings, network)
                check_outputs(settings, class_list(network.classes))
            elif self._predictor is not None:
                check_outputs(settings, self._predictor.classes)
        except Exception as error:  # whatever is wrong with a model must not end the node
            return SetParametersResult(successful=False, reason=str(error))
        self.settings = settings
        if other_network and self._predictor is not None:
            self._loading.load(self._use_network)
        return SetParametersResult(successful=True)

    def _use_network(self, settings: NodeSettings, result: Predictor | Exception) -> None:
        if isinstance(result, Exception):
            self._not_loaded(settings, result)
            return
        if self._predictor is None or settings.network != self.settings.network:
            result.close()  # overtaken by a newer choice, or by a clean-up
            return
        try:
            check_outputs(self.settings, result.classes)
            if self._session is not None:
                self._session.swap(result)
        except InputError as error:  # a file it needs is gone since the parameter was checked
            result.close()
            self._not_loaded(settings, error)
            return
        if self._session is None:
            self._predictor.close()
        self._predictor, self._in_use = result, settings
        self._announce(result)

    def _not_loaded(self, settings: NodeSettings, error: Exception) -> None:
        """Go back to the parameters of the network in use, without loading that again."""
        self.get_logger().error(f"model {settings.model} was not loaded: {error}")
        if self._predictor is None or settings.network != self.settings.network:
            return
        self._reverting = True
        before = {name: getattr(self._in_use, name) for name in NETWORK}
        self.set_parameters([Parameter(name, value=value) for name, value in before.items()])
        self._reverting = False
        try:
            check_outputs(self.settings, self._predictor.classes)
        except InputError as fault:  # set together with the network that did not load
            self.get_logger().error(f"what goes out does not fit {self._predictor.name}: {fault}")

    def _announce(self, predictor: Predictor) -> None:
        text = f"{predictor.name} ({predictor.config.modality}) on {predictor.device}"
        if predictor.trained:
            self.get_logger().info(f"model {text}")
        else:
            self.get_logger().warning(f"model {text} is UNTRAINED: its labels mean nothing")
        unknown = self.settings.unknown_cameras(predictor.config)
        if unknown:
            known = ", ".join(predictor.config.cameras)
            self.get_logger().warning(
                f"cameras {', '.join(unknown)}: {predictor.name} does not know these names and "
                f"does without them; it knows {known}"
            )
        stand_in = self.settings.stand_in_anchor(predictor.config)
        if stand_in:
            self.get_logger().warning(
                f"anchor_camera '{self.settings.anchor_camera}' is no camera of the rig that "
                f"{predictor.name} uses: without LiDAR {stand_in} makes the frames"
            )


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; return 0, or 1 when it could not start."""
    with ros_until_signal(args) as stop:
        executor = cheapest_executor()
        node, backlog = OccNode(executor), Backlog(executor)
        failed = threading.Event()
        try:
            if node.settings.autostart:
                node.bring_up(failed.set)
            while not (stop.is_set() or failed.is_set()):
                spin_once(executor, node, SPIN_SECONDS)
                if backlog.behind():
                    node.postpone()
        finally:
            executor.shutdown()
            node.close()
            if not teardown_may_hang():
                node.destroy_node()  # tells the peers
    return 1 if failed.is_set() else 0
