"""The same work over Ray: one worker per GPU or machine, each with its own model; idle workers get more."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from typing import Any

from ..errors import TransparencyError
from ..watch import Watch
from .prompts import Prompt
from .records import Record, failure_said
from .work import Choices, Worker

try:
    import ray
    from ray.exceptions import RayActorError, RayError, RayTaskError
except ImportError as error:
    raise TransparencyError(
        "dependencyMissing",
        "The Python package ray is not installed.",
        "Run `python -m pip install 'lm-transparency[ray]'` here and on every machine of the cluster.",
    ) from error

#: A worker that is lost with a group in hand is restarted and given it once more.
_RETRIES = 1


class _RemoteWorker:
    """`Worker` as an actor: errors are returned as values, since Ray would wrap them."""

    def __init__(self, choices: Choices) -> None:
        self._worker = Worker(choices)

    def load(self) -> tuple[str, str, str] | None:
        try:
            self._worker.load()
        except TransparencyError as error:
            return error.kind, error.message, error.remedy
        return None

    def analyze(self, prompts: Sequence[Prompt]) -> list[Record]:
        return list(self._worker.analyze(prompts))


def run_on_ray(
    groups: Sequence[list[Prompt]], choices: Choices, address: str | None, workers: int | None, watch: Watch
) -> Generator[Record]:
    """The records of `groups`. `address` as for `ray.init`; None: RAY_ADDRESS, a running cluster, or a new one.

    `workers` None: one per GPU, or one per machine where there is none. Raises `TransparencyError` where the cluster
    cannot be reached or the model cannot be loaded, and `Cancelled`.
    """
    if not groups:
        return
    ours = not ray.is_initialized()
    if ours:
        _connect(address, watch)
    try:
        yield from _deal(groups, _workers(choices, workers, len(groups)), watch, choices.model_files)
    finally:
        if ours:
            ray.shutdown()


def _connect(address: str | None, watch: Watch) -> None:
    watch.step("connecting to Ray")
    try:
        ray.init(address=address, log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise TransparencyError(
            "invalidParams",
            f"No Ray cluster can be reached: {str(error).splitlines()[0] if str(error) else type(error).__name__}",
            "Start one with `ray start --head`, or correct RAY_ADDRESS or --ray-address.",
        ) from error


def _workers(choices: Choices, wanted: int | None, n_groups: int) -> list[Any]:
    machines: list[Any] = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    gpus = 0 if choices.model.device == "cpu" else int(sum(machine.get("GPU", 0) for machine in machines))
    # more than there is room for would wait indefinitely
    room = gpus or int(sum(machine.get("CPU", 1) for machine in machines))
    count = min(wanted or gpus or len(machines), n_groups, room)
    # Ray gives torch as many threads as the worker reserves
    fewest = int(min(machine.get("CPU", 1) for machine in machines))
    cpus = 1 if gpus else max(1, fewest // -(-count // len(machines)))
    options = {"num_cpus": cpus, "num_gpus": 1 if gpus else 0, "scheduling_strategy": "SPREAD"}
    actor: Any = ray.remote(_RemoteWorker).options(**options, max_restarts=-1, max_task_retries=_RETRIES)
    return [actor.remote(choices) for _ in range(count)]


def _deal(groups: Sequence[list[Prompt]], workers: Sequence[Any], watch: Watch, model_files: str) -> Generator[Record]:
    left = deque(groups)
    loading: dict[Any, Any] = {worker.load.remote(): worker for worker in workers}
    running: dict[Any, tuple[Any, list[Prompt]]] = {}
    # workers that Ray has no room for yet are not awaited once nothing is left to do
    while running or (left and loading):
        watch.step("loading on Ray" if loading and not running else "", len(workers) - len(loading), len(workers))
        # the timeout lets Ctrl-C in
        ready: list[Any]
        ready, _ = ray.wait([*loading, *running], num_returns=1, timeout=0.5)
        for future in ready:
            if future in loading:
                worker = loading.pop(future)
                _check_loaded(future)
            else:
                worker, group = running.pop(future)
                answer = _answer(future, group, model_files)
                if answer is None:
                    # one of them is to blame, so each is tried by itself
                    left.extend([prompt] for prompt in group)
                else:
                    yield from answer
            if left:
                group = left.popleft()
                running[worker.analyze.remote(group)] = worker, group


def _check_loaded(future: Any) -> None:
    try:
        failed: Any = ray.get(future)
    except (RayActorError, RayTaskError) as error:
        raise TransparencyError(
            "modelUnusable",
            f"A Ray worker could not be started: {str(error).strip().splitlines()[-1][:300]}",
            "lm-transparency must be installed on every machine of the cluster, in the same version of Python.",
        ) from error
    if failed is not None:
        raise TransparencyError(*failed)


def _answer(future: Any, group: Sequence[Prompt], model_files: str) -> list[Record] | None:
    """None where the worker was lost with several prompts in hand."""
    try:
        return ray.get(future)
    except RayError as error:
        if len(group) > 1:
            return None
        reason = f"The Ray worker that had this prompt was lost: {type(error).__name__}."
        remedy = "Run the same command again to try this prompt once more."
        return [failure_said(prompt, "internal", reason, remedy, model_files) for prompt in group]
