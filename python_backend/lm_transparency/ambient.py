"""The guard at the entry of every analysis and question: torch with its default settings, one thread at a time in a
model.

Settings of the caller (inference mode, another default dtype or device, autocast, function and dispatch modes, TF32)
would change the numbers, as would torch.compile and torch.func around the call, and objects created meanwhile would
carry them on. Threads that share a model would meet in its hooks.
Nested guards of one thread cost next to nothing.
"""

from __future__ import annotations

import inspect
import threading
import weakref
from collections import deque
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import wraps
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
import torch
from torch._C._dynamo.eval_frame import set_eval_frame
from torch._functorch.pyfunctorch import temporarily_clear_interpreter_stack
from torch.utils._python_dispatch import _disable_current_modes  # pyright: ignore[reportPrivateUsage]

from .watch import Watch

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: Seconds after which a waiting thread checks whether its work was cancelled.
_LOOK_S = 0.05

#: How numpy treats overflows and the like by default.
_NUMPY: dict[str, Any] = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}

#: Device types that autocast knows.
_AUTOCAST = ("cpu", "cuda", "xpu", "mps", "hpu", "xla", "mtia", "maia", "ipu")


class Door:
    """A lock in order of arrival: several threads together, or one `alone`; a thread inside may enter again."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: dict[int, int] = {}
        self._shut = False
        self._waiting: deque[object] = deque()

    @contextmanager
    def entered(self, watch: Watch | None = None, *, alone: bool = False) -> Generator[None]:
        """Raises `Cancelled` soon after `watch` was cancelled while waiting."""
        me = threading.get_ident()
        with self._changed:
            if me not in self._inside:
                self._wait(watch, alone)
                self._shut = alone
            self._inside[me] = self._inside.get(me, 0) + 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[me] -= 1
                if not self._inside[me]:
                    del self._inside[me]
                    self._changed.notify_all()

    def _wait(self, watch: Watch | None, alone: bool) -> None:
        ticket = object()
        self._waiting.append(ticket)
        try:
            while self._waiting[0] is not ticket or (self._inside and (alone or self._shut)):
                self._changed.wait(_LOOK_S)
                if watch is not None:
                    watch.check()
        finally:
            self._waiting.remove(ticket)
            self._changed.notify_all()


#: Loading sets torch's default dtype for all threads, so it runs alone in the process.
_process = Door()
_models: weakref.WeakKeyDictionary[Any, Door] = weakref.WeakKeyDictionary()
_making = threading.Lock()


class _Flag(NamedTuple):
    """A setting of the whole process, and its required value."""

    read: Callable[[], Any]
    write: Callable[[Any], None]
    wanted: Any


_BACKENDS: tuple[Any, ...] = (torch.backends.cuda, torch.backends.mkldnn)


def _precision() -> Any:
    """How float32 matrices are multiplied: "highest", or torch's older setting ("" where it has no value) and its newer
    ones.
    """
    newer = tuple(backend.matmul.fp32_precision for backend in _BACKENDS if hasattr(backend, "matmul"))
    try:
        older = torch.get_float32_matmul_precision()
    except RuntimeError:
        # torch refuses to name newer settings that differ by it
        older = ""
    return "highest" if older == "highest" and {"none", "ieee"}.issuperset(newer) else (older, newer)


def _set_precision(value: Any) -> None:
    older, newer = (value, ()) if value == "highest" else value
    if older:
        torch.set_float32_matmul_precision(older)
    for backend, precision in zip(_BACKENDS, newer, strict=False):
        backend.matmul.fp32_precision = precision


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


_FLAGS = (
    _Flag(torch.get_default_dtype, torch.set_default_dtype, torch.float32),
    _Flag(_precision, _set_precision, "highest"),
    # it forbids some products on a GPU
    _Flag(_deterministic, lambda on: torch.use_deterministic_algorithms(on[0], warn_only=on[1]), (False, False)),
    # the one attention that takes every mask and precision
    _Flag(torch.backends.cuda.math_sdp_enabled, torch.backends.cuda.enable_math_sdp, True),
)


class _Settings:
    """The flags of the process while any thread is inside: the first sets them, the last restores them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._before: list[tuple[_Flag, Any]] = []

    @contextmanager
    def pinned(self) -> Generator[None]:
        with self._lock:
            self._users += 1
            for flag in _FLAGS:
                before = flag.read()
                if before != flag.wanted:
                    flag.write(flag.wanted)
                    if all(flag is not known for known, _ in self._before):
                        self._before.append((flag, before))
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    for flag, before in self._before:
                        # unless someone has set it since
                        if flag.read() == flag.wanted:
                            flag.write(before)
                    self._before.clear()


_settings = _Settings()
_here = threading.local()


@contextmanager
def guard(used: object = None, watch: Watch | None = None, *, loading: bool = False) -> Generator[None]:
    """Run with torch's default settings, without gradients, and with no other thread in the model of `used`.

    `used`: a model, an object of one (an analysis, a trace), or any other object that takes one thread at a time; None:
    torch alone. `loading`: no other thread is inside any guard. Raises `Cancelled` soon after `watch` was cancelled
    while waiting for other threads.
    """
    module = _module_of(used)
    own = nullcontext() if module is None else _door_of(module).entered(watch, alone=True)
    with _process.entered(watch, alone=loading), own, _settings.pinned(), pinned():
        yield


@contextmanager
def taking_turns(used: object) -> Generator[Callable[[Callable[[], None]], None]]:
    """No other thread in the model of `used`, but in the pauses of a long work: what this gives runs its argument with
    the model left to others, and returns in turn.
    """
    door, inside = _door_of(_module_of(used)), ExitStack()
    with inside:
        inside.enter_context(door.entered(alone=True))

        def pause(meanwhile: Callable[[], None]) -> None:
            inside.close()
            try:
                meanwhile()
            finally:
                inside.enter_context(door.entered(alone=True))

        yield pause


def guarded(work: Callable[_P, _R]) -> Callable[_P, _R]:
    """`work` inside `guard`. The model is that of its first argument, the watch the one among its arguments."""
    first = inspect.getfullargspec(work).args[0]

    @wraps(work)
    def inside(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with guard(args[0] if args else kwargs.get(first), _watch_among(*args, *kwargs.values())):
            return work(*args, **kwargs)

    return inside


def loads(work: Callable[_P, _R]) -> Callable[_P, _R]:
    """`work` inside `guard(loading=True)`, with the watch among its arguments."""

    @wraps(work)
    def inside(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with guard(None, _watch_among(*args, *kwargs.values()), loading=True):
            return work(*args, **kwargs)

    return inside


def _watch_among(*arguments: object) -> Watch | None:
    return next((x for x in arguments if isinstance(x, Watch)), None)


def _module_of(used: Any) -> Any:
    """The object that identifies a model, whichever part of it is given: its unembedding."""
    for name in ("trace", "anatomy", "unembedding"):
        used = getattr(used, name, used)
    return used


def _door_of(module: Any) -> Door:
    with _making:
        return _models.setdefault(module, Door())


@contextmanager
def pinned() -> Generator[None]:
    """The settings of `guard` for this thread alone, without waiting: another thread may be loading, which sets the
    default dtype.
    """
    if getattr(_here, "depth", 0):
        yield
        return
    _here.depth = 1
    try:
        # tensors made in inference mode cannot be written to, or used with gradients, outside of it
        inferring = torch.inference_mode(False) if torch.is_inference_mode_enabled() else nullcontext()
        with (
            _untraced(),
            _disable_current_modes(),
            _modes_aside(),
            inferring,
            torch.no_grad(),
            _autocast_off(),
            np.errstate(**_NUMPY),
        ):
            yield
    finally:
        _here.depth = 0


@contextmanager
def _untraced() -> Generator[None]:
    """Outside the caller's torch.compile, torch.jit.trace and torch.func, which would trace our code with theirs."""
    compiled, traced = set_eval_frame(None), torch._C._get_tracing_state()  # pyright: ignore
    torch._C._set_tracing_state(None)  # pyright: ignore
    try:
        with temporarily_clear_interpreter_stack():
            yield
    finally:
        torch._C._set_tracing_state(traced)  # pyright: ignore
        set_eval_frame(compiled)


@contextmanager
def _modes_aside() -> Generator[None]:
    """Without a default device and other function modes of this thread."""
    if not torch._C._len_torch_function_stack():  # pyright: ignore[reportPrivateUsage]
        yield
        return
    # it is a mode, but torch also asks for it by name
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)  # pyright: ignore[reportPrivateUsage]
    if context is not None:
        torch.set_default_device(None)
    modes: list[Any] = []
    while torch._C._len_torch_function_stack():  # pyright: ignore[reportPrivateUsage]
        modes.append(torch._C._pop_torch_function_stack())  # pyright: ignore[reportPrivateUsage]
    try:
        yield
    finally:
        for mode in reversed(modes):
            torch._C._push_on_torch_function_stack(mode)  # pyright: ignore[reportPrivateUsage]
        if context is not None:
            torch.set_default_device(context.device)


@contextmanager
def _autocast_off() -> Generator[None]:
    if not torch._C._is_any_autocast_enabled():  # pyright: ignore[reportPrivateUsage]
        yield
        return
    on = [kind for kind in _AUTOCAST if torch.is_autocast_enabled(kind)]
    for kind in on:
        torch.set_autocast_enabled(kind, False)
    try:
        yield
    finally:
        for kind in on:
            torch.set_autocast_enabled(kind, True)
