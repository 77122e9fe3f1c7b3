# SPDX-License-Identifier: Apache-2.0
"""Networks that load in a thread of their own, while the executor goes on."""

import threading
from collections.abc import Callable
from functools import partial

from rclpy.executors import Executor
from rclpy.task import Future

from effocc_ros.nodes.executor import call_soon
from effocc_ros.nodes.models import load_model
from effocc_ros.nodes.settings import NodeSettings
from effocc_ros.predictor import Predictor

Use = Callable[[NodeSettings, Predictor | Exception], None]


class NetworkLoading:
    """Loads the networks that the settings ask for, one at a time.

    A configuration takes what :meth:`ahead` has loaded, or loads it itself. All methods belong to
    the executor's thread.

    Args:
        executor: Runs what is done with a loaded network.
        settings: Returns the node's settings as they are now.
    """

    def __init__(self, executor: Executor, settings: Callable[[], NodeSettings]):
        self._executor, self._settings = executor, settings
        self._one_at_a_time = threading.Lock()
        self._underway: Future | None = None
        self._loaded: tuple[NodeSettings, Predictor | Exception] | None = None

    def load(self, use: Use) -> None:
        """Load the network of the settings; ``use`` gets it, or what went wrong."""
        settings = self._settings()

        def run() -> None:
            with self._one_at_a_time:
                try:
                    result = load_model(settings)
                except Exception as error:  # a broken driver raises anything
                    result = error
            call_soon(self._executor, partial(use, settings, result))

        threading.Thread(target=run, name="model-loader", daemon=True).start()

    def ahead(self) -> Future:
        """Begin to load what a configuration will take, if that is not under way."""
        if self._underway is None:
            self._underway = Future(executor=self._executor)
            self.load(self._keep)
        return self._underway

    def take(self) -> Predictor:
        """Return the network of the settings, loaded ahead or now.

        Raises:
            InputError: It cannot be loaded.
        """
        if self._loaded is None or self._loaded[0].network != self._settings().network:
            self.drop()
            return load_model(self._settings())
        (_, result), self._loaded = self._loaded, None
        if isinstance(result, Exception):
            raise result
        return result

    def drop(self) -> None:
        """Free what was loaded ahead and not taken."""
        if self._loaded is not None:
            _free(self._loaded[1])
            self._loaded = None

    def _keep(self, settings: NodeSettings, result: Predictor | Exception) -> None:
        if settings.network != self._settings().network:  # another one is wanted by now
            _free(result)
            self.load(self._keep)
            return
        self._loaded = (settings, result)
        underway, self._underway = self._underway, None
        underway.set_result(None)


def _free(result: Predictor | Exception) -> None:
    if not isinstance(result, Exception):
        result.close()
