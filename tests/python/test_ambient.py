"""Numbers do not depend on torch settings of the caller, or on the number of threads that ask."""

from __future__ import annotations

import inspect
import sys
import threading
import warnings
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

import lm_transparency as lt
from families import build
from lm_transparency import ambient
from lm_transparency.ambient import guard
from lm_transparency.exports import FORMATS, graph_text
from lm_transparency.exports.arrays import as_arrays
from lm_transparency.exports.report import as_text
from lm_transparency.inspection import diagnosis, surprisal
from lm_transparency.inspection.named import named_tokens
from lm_transparency.lens.plain import plain_lens
from lm_transparency.model.anatomy import dissect
from lm_transparency.trace.proof import trial_direction
from lm_transparency.trace.trace import _causal  # pyright: ignore[reportPrivateUsage]

PROMPT = "When Mary and John went to the store, John gave"


@contextmanager
def set_to(read: Callable[[], Any], write: Callable[[Any], None], value: Any) -> Generator[None]:
    before = read()
    write(value)
    try:
        yield
        assert read() == value
    finally:
        write(before)


@contextmanager
def default_device(device: str) -> Generator[None]:
    torch.set_default_device(device)
    try:
        yield
        assert torch.get_default_device() == torch.device(device)
        assert torch.zeros(1).device.type == torch.device(device).type
    finally:
        torch.set_default_device(None)


@contextmanager
def newer_precision() -> Generator[None]:
    mkldnn: Any = torch.backends.mkldnn
    if not hasattr(mkldnn, "matmul"):
        pytest.skip("this torch has the older setting only")
    mkldnn.matmul.fp32_precision = "bf16"
    try:
        yield
        assert mkldnn.matmul.fp32_precision == "bf16"
    finally:
        mkldnn.matmul.fp32_precision = "none"


@contextmanager
def tf32_on_a_gpu() -> Generator[None]:
    """It changes the older setting for all devices, and the newer one for one of them."""
    others: Any = getattr(torch.backends.mkldnn, "matmul", None)
    before = getattr(others, "fp32_precision", "")
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        yield
        assert torch.backends.cuda.matmul.allow_tf32
        assert getattr(others, "fp32_precision", "") == before
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False


class Halving(TorchFunctionMode):
    """Halves the results of linear layers."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        return made / 2 if func is torch.nn.functional.linear else made


class Doubling(TorchDispatchMode):
    """Doubles matrix products."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        return made * 2 if "mm" in str(func) else made


STATES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "inference mode": torch.inference_mode,
    "no gradients": torch.no_grad,
    "gradients": torch.enable_grad,
    "float64": lambda: set_to(torch.get_default_dtype, torch.set_default_dtype, torch.float64),
    "bfloat16": lambda: set_to(torch.get_default_dtype, torch.set_default_dtype, torch.bfloat16),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast of a GPU": lambda: set_to(
        partial(torch.is_autocast_enabled, "cuda"), partial(torch.set_autocast_enabled, "cuda"), True
    ),
    "device": lambda: torch.device("meta"),
    "default device": lambda: default_device("meta"),
    # torch looks a numbered one up by name
    "numbered default device": lambda: default_device("meta:0"),
    "coarse products": lambda: set_to(torch.get_float32_matmul_precision, torch.set_float32_matmul_precision, "medium"),
    "coarse products, the newer way": newer_precision,
    "coarse products on a GPU": tf32_on_a_gpu,
    "no plain attention": lambda: set_to(
        torch.backends.cuda.math_sdp_enabled, torch.backends.cuda.enable_math_sdp, False
    ),
    "a function mode": Halving,
    "a dispatch mode": Doubling,
    "fake tensors": FakeTensorMode,
    "deterministic": lambda: set_to(
        torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms, True
    ),
    "deterministic with warnings": lambda: set_to(
        torch.is_deterministic_algorithms_warn_only_enabled,
        lambda warn: torch.use_deterministic_algorithms(warn, warn_only=warn),
        True,
    ),
    "errors of numpy": lambda: np.errstate(all="raise"),
}

ASKED: dict[str, Callable[[lt.Analysis], Any]] = {
    "attention_map": lambda run: lt.attention_map(run, 1),
    "inspect_edge": lambda run: lt.inspect_edge(run, 1, 5, 2),
    # the times differ
    "inspect_effects": lambda run: lt.inspect_effects(run, units=["M1_3", "X0_1>A0_5", "X0_2", "1.1"]).units,
    "inspect_entropy": lambda run: lt.inspect_entropy(run, 1, 5),
    "inspect_expert": lambda run: lt.inspect_expert(run, 0, lt.inspect_experts(run, 0, 3).experts[0].expert, 3),
    "inspect_expert_neuron": lambda run: lt.inspect_expert_neuron(
        run, 0, lt.inspect_experts(run, 0, 3).experts[0].expert, 1, 3
    ),
    "inspect_experts": lambda run: lt.inspect_experts(run, 0, 3),
    "inspect_ffn": lambda run: lt.inspect_ffn(run, 1, 3),
    "inspect_head": lambda run: lt.inspect_head(run, 1, 1, 5),
    "inspect_lens": lambda run: lt.inspect_lens(run, token=7),
    "inspect_lenses": lambda run: lt.inspect_lenses(run),
    "inspect_neuron": lambda run: lt.inspect_neuron(run, 1, 2, 3),
    "inspect_node": lambda run: lt.inspect_node(run, "A1_4"),
    "inspect_promoted": lambda run: lt.inspect_promoted(run, ["M1_3", "I0_2>A1_5/1", "1.1@5"]),
    "layer_maps": lambda run: lt.layer_maps(run, 1),
    "track_tokens": lambda run: lt.track_tokens(run, 3, [7, 8]),
    "routes": lambda run: run.routes(None, None),
    "predictions": lambda run: run.predictions(5),
    "named_tokens": lambda run: named_tokens(run, 3, "a", None),
    "as_arrays": as_arrays,
    **{form: lambda run, form=form: graph_text(run, run.routes(), form) for form in FORMATS},
    "as_text": lambda run: as_text(run, run.routes(), 5, to_terminal=False, bars=False),
    "Lens": lambda run: lt.Lens(run.trace.anatomy).logits(run.trace.layers[0].post),
}
OF_EXPERTS = {"inspect_expert", "inspect_expert_neuron", "inspect_experts"}
OF_NEURONS = {"inspect_ffn", "inspect_neuron"}
OF_MODELS = {"analyze", "measure_head_tags"}


def answers(model: lt.LoadedModel, run: lt.Analysis) -> dict[str, Any]:
    """The answers to every public question, on a new analysis and on `run`, which was analysed before."""
    session = lt.Session()
    run_id, _ = session.begin(model, PROMPT * 8)
    moe = any(block.experts is not None for block in model.anatomy.blocks)
    skipped = OF_NEURONS if moe else OF_EXPERTS
    asked = {name: ask(run) for name, ask in ASKED.items() if name not in skipped}
    fresh = lt.analyze(model, PROMPT)
    return asked | {
        "analyze": (fresh.contributions, fresh.proof, fresh.trace.logits, fresh.notices),
        "started": session.go_on(run_id, lt.Watch()).contributions,
        "records": [{**record, "seconds": 0} for record in lt.analyze_many(model, [PROMPT, PROMPT[:20]])],
        "read_text": surprisal.read_text(model, run.tokens),
        "examine": diagnosis.examine(model, PROMPT).proof,
        "compare": diagnosis.compare(diagnosis.examine(model, PROMPT), diagnosis.examine(model, PROMPT)),
        "measure_head_tags": lt.measure_head_tags(model),
        "plain_lens": plain_lens(model.model, run.trace.token_ids),
    }


def plain(value: Any) -> Any:
    """Arrays, numbers and strings, in nested lists and dictionaries."""
    if isinstance(value, torch.Tensor):
        assert not value.is_inference()
        return plain(value.detach().numpy())
    if isinstance(value, np.ndarray):
        return value
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if hasattr(value, "__dict__"):
        return plain({key: entry for key, entry in vars(value).items() if not key.startswith("_")})
    return value


def same(given: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(same(given[key], wanted[key]) for key in wanted)
    if isinstance(wanted, list | tuple):
        return len(given) == len(wanted) and all(map(same, given, wanted))
    if isinstance(wanted, np.ndarray):
        return given.dtype == wanted.dtype and np.allclose(given, wanted, rtol=1e-6, atol=1e-6, equal_nan=True)
    if isinstance(wanted, float):
        return given == wanted or abs(given - wanted) <= 1e-6 * max(1.0, abs(wanted)) or given != given != wanted
    return bool(given == wanted)


@pytest.fixture(scope="module")
def experts(tiny_tokenizer: Any) -> lt.LoadedModel:
    model = build("mixtral", {"vocab_size": 440, "max_position_embeddings": 128})
    return lt.LoadedModel("tiny-mixtral", "tiny-mixtral", model, tiny_tokenizer, dissect(model))


@pytest.mark.parametrize("name", ["tiny_gpt2", "experts"])
def test_no_state_of_torch_gets_into_an_answer(name: str, request: pytest.FixtureRequest) -> None:
    model: lt.LoadedModel = request.getfixturevalue(name)
    run = lt.analyze(model, PROMPT)
    quiet = plain(answers(model, run))
    for state, entered in STATES.items():
        # cached results would hide new ones
        _causal.cache_clear()
        trial_direction.cache_clear()
        with entered():
            given = answers(model, run)
        for question, answer in plain(given).items():
            assert same(answer, quiet[question]), f"{question} under {state}"
    after = plain(answers(model, run))
    assert {question for question in after if not same(after[question], quiet[question])} == set()


@pytest.mark.parametrize("state", STATES)
def test_a_model_loaded_under_any_state_is_the_same(state: str, tiny_gpt2_folder: Path, tiny_gpt2: Any) -> None:
    with STATES[state]():
        model = lt.load_model(str(tiny_gpt2_folder), dtype="float32", device="cpu")
    held = [*model.model.named_parameters(), *model.model.named_buffers()]
    wanted = [*tiny_gpt2.model.named_parameters(), *tiny_gpt2.model.named_buffers()]
    for (name, tensor), (_, other) in zip(held, wanted, strict=True):
        assert tensor.dtype == other.dtype, name
        assert not tensor.is_inference(), name
        assert torch.equal(tensor, other), name
    assert same(plain(lt.analyze(model, PROMPT).contributions), plain(lt.analyze(tiny_gpt2, PROMPT).contributions))


@pytest.mark.parametrize("state", STATES)
def test_inside_a_guard_every_setting_is_the_default(state: str) -> None:
    usual = np.geterr()
    with STATES[state]():
        with guard():
            assert not torch.is_inference_mode_enabled() and not torch.is_grad_enabled()
            assert torch.get_default_dtype() == torch.float32
            assert torch.get_default_device() == torch.zeros(1).device == torch.device("cpu")
            assert not any(map(torch.is_autocast_enabled, ("cpu", "cuda", "xpu", "mps")))
            assert torch.get_float32_matmul_precision() == "highest"
            assert torch.backends.cuda.math_sdp_enabled()
            assert not torch.are_deterministic_algorithms_enabled()
            assert torch._C._len_torch_function_stack() == torch._C._len_torch_dispatch_stack() == 0
            assert np.geterr() == usual
            # of both modes, and of fake tensors
            assert (torch.nn.functional.linear(torch.ones(1, 1), torch.ones(1, 1)) @ torch.ones(1, 1)).item() == 1
        assert (np.geterr() == usual) == (state != "errors of numpy")


def compiled(work: Callable[[torch.Tensor], Any]) -> None:
    torch.compile(work, backend="eager")(torch.ones(2))


TRACED: dict[str, Callable[[Callable[[torch.Tensor], Any]], Any]] = {
    "torch.compile": compiled,
    "torch.jit.trace": lambda work: torch.jit.trace(work, torch.ones(2)),
    "torch.func.grad": lambda work: torch.func.grad(work)(torch.ones(2)),
    "torch.func.vmap": lambda work: torch.func.vmap(work)(torch.ones(2)),
}


@pytest.mark.parametrize("traced", TRACED)
@pytest.mark.filterwarnings("ignore")
def test_an_analysis_inside_a_traced_function_is_not_traced(traced: str, tiny_gpt2: lt.LoadedModel) -> None:
    wanted = plain(lt.analyze(tiny_gpt2, PROMPT).contributions)
    found: list[lt.Analysis] = []

    def work(x: torch.Tensor) -> torch.Tensor:
        found.append(lt.analyze(tiny_gpt2, PROMPT))
        return (x * 3).sum()

    TRACED[traced](work)
    assert found
    assert all(same(plain(run.contributions), wanted) for run in found)


def test_every_public_question_is_among_those_asked() -> None:
    taken = {"LoadedModel", "Analysis"}
    public = {
        name
        for name in lt.__all__
        if inspect.isfunction(work := getattr(lt, name))
        and next((str(p.annotation) for p in inspect.signature(work).parameters.values()), "") in taken
    }
    # the numbers of two come from the questions above, the third reads a file
    taken_apart = {"export_text", "export_figure", "export_page", "load_lens"}
    assert public - taken_apart == (set(ASKED) & set(lt.__all__) - {"Lens"}) | OF_MODELS


def test_no_module_holds_a_tensor_from_its_import() -> None:
    for name, module in list(sys.modules.items()):
        if name.startswith("lm_transparency"):
            held = [key for key, value in vars(module).items() if isinstance(value, torch.Tensor)]
            assert held == [], name


def test_threads_that_share_a_model_get_what_one_alone_gets(tiny_llama: lt.LoadedModel) -> None:
    session = lt.Session()
    prompts = [f"{word} went to the store, {word} gave a drink to" for word in ("Mary", "John", "日本", "a 😀")]
    wanted = [plain(lt.analyze(tiny_llama, prompt).contributions) for prompt in prompts]
    begun = threading.Barrier(8)

    def work(number: int) -> None:
        begun.wait(60)
        for turn in range(3):
            at = (number + turn) % len(prompts)
            alone = number % 2 == 1
            run = lt.analyze(tiny_llama, prompts[at]) if alone else session.analyze(tiny_llama, prompts[at])[1]
            assert run.proof.holds
            if not run.n_reused:
                assert same(plain(run.contributions), wanted[at])
            lt.inspect_neuron(run, 1, 2, 3)
            lt.inspect_node(run, "I2_4")
            run.predictions(3)

    with ThreadPoolExecutor(8) as threads:
        for done in [threads.submit(work, number) for number in range(8)]:
            done.result()
    assert tiny_llama.model.config._attn_implementation == "sdpa"


def test_a_load_beside_analyses_leaves_their_precision_alone(tiny_llama: Any, tiny_gpt2_folder: Path) -> None:
    wanted = plain(lt.analyze(tiny_llama, PROMPT).contributions)

    def load(dtype: Any) -> str:
        return lt.load_model(str(tiny_gpt2_folder), dtype=dtype, device="cpu").dtype

    with ThreadPoolExecutor(4) as threads:
        loading = [threads.submit(load, dtype) for dtype in ("bfloat16", "float32", "bfloat16")]
        for _ in range(3):
            assert same(plain(lt.analyze(tiny_llama, PROMPT).contributions), wanted)
        assert [load.result() for load in loading] == ["bfloat16", "float32", "bfloat16"]
    assert torch.get_default_dtype() == torch.float32


def test_who_waits_for_a_model_can_be_called_off(tiny_llama: lt.LoadedModel) -> None:
    watch = lt.Watch()
    with ThreadPoolExecutor(1) as threads:
        with guard(tiny_llama):
            waiting = threads.submit(lt.analyze, tiny_llama, PROMPT, watch=watch)
            watch.cancel()
            with pytest.raises(lt.Cancelled):
                waiting.result(60)
        assert threads.submit(lt.analyze, tiny_llama, PROMPT).result(60).proof.holds


def test_a_guard_puts_back_only_what_it_changed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.set_default_dtype(torch.float64)
        try:
            with guard():
                assert torch.get_default_dtype() == torch.float32
                assert not torch.is_grad_enabled()
                torch.set_default_dtype(torch.bfloat16)
            assert torch.get_default_dtype() == torch.bfloat16
        finally:
            torch.set_default_dtype(torch.float32)
    assert not ambient._settings._before  # pyright: ignore[reportPrivateUsage]
