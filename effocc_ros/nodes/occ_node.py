"""``occ_node``: the lifecycle node around the stream and the network."""

from types import SimpleNamespace

from rcl_interfaces.msg import SetParametersResult
from rclpy.exceptions import ParameterException
from rclpy.executors import MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn
from rclpy.parameter import Parameter

from effocc_ros.errors import InputError
from effocc_ros.nodes.leaving import teardown_may_hang
from effocc_ros.nodes.models import load_model
from effocc_ros.nodes.outputs import Outputs
from effocc_ros.nodes.parameters import check_values, declare_parameters, read_parameters
from effocc_ros.nodes.session import QUIET_SECONDS, Session
from effocc_ros.nodes.stopping import SPIN_SECONDS, ros_until_signal
from effocc_ros.nodes.stream_settings import stream_config
from effocc_ros.predictor import Predictor

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class OccNode(LifecycleNode):
    """Semantic occupancy from camera images and LiDAR points, over ROS.

    Configured, it has a network and publishers; active, it subscribes and publishes.

    Attributes:
        settings: The parameters as they are now.

    Raises:
        InputError: A parameter's value is not one of those allowed.
    """

    def __init__(self):
        super().__init__("occ_node")
        declare_parameters(self)
        self.settings = read_parameters(self)
        check_values(vars(self.settings))
        self._predictor: Predictor | None = None
        self._outputs: Outputs | None = None
        self._session: Session | None = None
        self.add_on_set_parameters_callback(self._on_set_parameters)

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Load the network and make the publishers."""
        try:
            self._predictor = load_model(self.settings.model, self.settings)
            stream_config(self.settings, self._predictor.config)
        except Exception as error:  # rclpy swallows it; a broken driver raises anything
            self.get_logger().error(f"not configured: {error}")
            self._release()
            return FAILURE
        self._announce(self._predictor)
        self._outputs = Outputs(self, lambda: self.settings)
        return super().on_configure(state)

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Subscribe and begin to predict."""
        enabled = super().on_activate(state)
        try:
            self._session = Session(self, self.settings, self._predictor, self._outputs)
        except Exception as error:
            self.get_logger().error(f"not activated: {error}")
            super().on_deactivate(state)
            return FAILURE
        self.get_logger().info(f"active: {self._session.frames_come_from()}")
        return enabled

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Finish the frame in hand and unsubscribe."""
        self._end_session()
        return super().on_deactivate(state)

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Let the network and the publishers go."""
        self._release()
        return SUCCESS

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End everything, from whatever state."""
        self._release()
        return SUCCESS

    def on_error(self, state: LifecycleState) -> TransitionCallbackReturn:
        """Go back to unconfigured."""
        self._release()
        return SUCCESS

    def bring_up(self) -> bool:
        """Configure and activate; False when either failed."""
        return self.trigger_configure() == SUCCESS and self.trigger_activate() == SUCCESS

    def close(self) -> None:
        """End the worker, take publishers and subscriptions away and free the network."""
        self._release()

    def _end_session(self) -> None:
        if self._session is not None:
            self._predictor = self._session.end()
            self._session = None

    def _release(self) -> None:
        self._end_session()
        if self._outputs is not None:
            self._outputs.destroy()
            self._outputs = None
        if self._predictor is not None:
            self._predictor.close()
            self._predictor = None

    def _on_set_parameters(self, parameters: list[Parameter]) -> SetParametersResult:
        """Check new values; load a new model while the old one goes on."""
        changed = {parameter.name: parameter.value for parameter in parameters}
        settings = SimpleNamespace(**{**vars(self.settings), **changed})
        try:
            check_values(vars(settings))
            if settings.model != self.settings.model:
                self._change_model(settings)
        except Exception as error:  # whatever is wrong with a model must not end the node
            return SetParametersResult(successful=False, reason=str(error))
        self.settings = settings
        return SetParametersResult(successful=True)

    def _change_model(self, settings: SimpleNamespace) -> None:
        predictor = load_model(settings.model, settings)
        try:
            stream_config(settings, predictor.config)
        except InputError:
            predictor.close()
            raise
        if self._session is not None:
            self._session.swap(predictor)
        else:
            replaced = self._predictor
            self._predictor = predictor if replaced is not None else None
            (replaced or predictor).close()
        self._announce(predictor)

    def _announce(self, predictor: Predictor) -> None:
        text = f"{predictor.name} ({predictor.config.modality}) on {predictor.device}"
        if predictor.trained:
            self.get_logger().info(f"model {text}")
        else:
            self.get_logger().warning(f"model {text} is UNTRAINED: its labels mean nothing")


def _spin(node: OccNode, executor: MultiThreadedExecutor) -> None:
    """Wait for messages and hand them on; one that cannot even be taken ends nothing."""
    try:
        executor.spin_once(timeout_sec=SPIN_SECONDS)
    except Exception as error:  # rclpy raises here what a callback or a broken message raised
        text = f"a message was lost: {type(error).__name__}: {error}"
        node.get_logger().error(text, throttle_duration_sec=QUIET_SECONDS)


def main(args: list[str] | None = None) -> int:
    """Run the node until SIGINT or SIGTERM; return 0, or 1 when it could not start."""
    with ros_until_signal(args) as stop:
        try:
            node = OccNode()
        except ParameterException as error:
            raise InputError(
                "parameters of occ_node",
                found=str(error),
                expected="values as config/occ.param.yaml describes them",
                reason="bad_parameter",
            ) from error
        executor = MultiThreadedExecutor(num_threads=2)
        executor.add_node(node)
        try:
            if node.settings.autostart and not node.bring_up():
                return 1
            while not stop.is_set():
                _spin(node, executor)
        finally:
            executor.shutdown()
            node.close()
            if not teardown_may_hang():
                node.destroy_node()  # tells the peers
    return 0
