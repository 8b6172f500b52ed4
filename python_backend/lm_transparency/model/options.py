"""The choices of a user and the answers of a model, as words: shared by API, command line and wire. Light to import."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from typing import Literal, TypedDict, cast

#: auto: float32 on the CPU, elsewhere the precision the model was published in.
Dtype = Literal["auto", "float32", "bfloat16", "float16"]

#: auto: as the model was published; 4bit, 8bit: quantised by bitsandbytes while it is read.
Quantization = Literal["auto", "4bit", "8bit"]

#: The model that is used where none is named; it comes with the backend.
DEFAULT_MODEL = "smollm2-135m-instruct"

#: The device that means all: every GPU, then main memory, then the disk (accelerate's `device_map="auto"`).
AUTO_MAP = "auto-map"


class Loading(TypedDict, total=False):
    """The fields of `ModelChoice` besides `source`, as keyword arguments; see `model.loading.load_model`."""

    dtype: Dtype
    device: str
    quantization: Quantization
    base: str
    allow_download: bool
    trust_remote_code: Collection[str]
    anyway: bool


@dataclass(frozen=True, kw_only=True)
class ModelChoice:
    """A model and how to load it.

    `source`: hub id (`@revision`), local folder, adapter, GGUF file, or empty for the embedded default. `base`: the
    base model of an adapter, in place of its own.

    `trust_remote_code`: exact names of models whose own code may run. `anyway`: load even if memory will not suffice.
    """

    source: str = ""
    dtype: Dtype = "auto"
    device: str = "auto"
    quantization: Quantization = "auto"
    base: str = ""
    allow_download: bool = False
    trust_remote_code: Collection[str] = ()
    anyway: bool = False

    def options(self) -> Loading:
        """The arguments of `load_model` besides the source."""
        names = (field.name for field in fields(ModelChoice))
        return cast(Loading, {name: getattr(self, name) for name in names if name != "source"})


#: auto: what the tokenizer adds by itself; bos: a beginning-of-sequence token in front; none: the text alone.
SpecialTokens = Literal["auto", "bos", "none"]

#: The kind of a model's output. token: the next token. label: one of a classifier's labels. labels: each label by
#: itself (multi-label). value: a number for each label, and no probability (regression, reward models).
Task = Literal["token", "label", "labels", "value"]

#: The lowest threshold of a graph; smaller contributions are not kept.
LOWEST_THRESHOLD = 0.005

#: The common threshold of graphs that are compared. A graph on screen has a threshold of its own (`auto_threshold`).
COMPARED_THRESHOLD = 0.04
