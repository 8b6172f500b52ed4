"""The choices of a user and the answers of a model, as words: shared by API, command line and wire. Imports nothing."""

from collections.abc import Collection
from typing import Literal, TypedDict

#: auto: float32 on the CPU, elsewhere the precision the model was published in.
Dtype = Literal["auto", "float32", "bfloat16", "float16"]

#: auto: as the model was published; 4bit, 8bit: quantised by bitsandbytes while it is read.
Quantization = Literal["auto", "4bit", "8bit"]

#: The device that means all: every GPU, then main memory, then the disk (accelerate's `device_map="auto"`).
AUTO_MAP = "auto-map"


class Loading(TypedDict, total=False):
    """The arguments of loading besides the model's name; see `model.loading.load_model`."""

    dtype: Dtype
    device: str
    quantization: Quantization
    base: str
    allow_download: bool
    trust_remote_code: Collection[str]
    anyway: bool


#: auto: what the tokenizer adds by itself; bos: a beginning-of-sequence token in front; none: the text alone.
SpecialTokens = Literal["auto", "bos", "none"]

#: The kind of a model's output. token: the next token. label: one of a classifier's labels. labels: each label by
#: itself (multi-label). value: a number for each label, and no probability (regression, reward models).
Task = Literal["token", "label", "labels", "value"]

#: The lowest threshold of a graph; smaller contributions are not kept.
LOWEST_THRESHOLD = 0.005

#: The common threshold of graphs that are compared. A graph on screen has a threshold of its own (`auto_threshold`).
COMPARED_THRESHOLD = 0.04
