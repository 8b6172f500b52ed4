"""What a person chooses for a model and a prompt, as words: shared by API, command line and wire. Imports nothing."""

from typing import Literal

#: auto: float32 on the CPU, elsewhere the precision the model was published in.
Dtype = Literal["auto", "float32", "bfloat16", "float16"]

#: auto: as the model was published; 4bit, 8bit: quantised by bitsandbytes while it is read.
Quantization = Literal["auto", "4bit", "8bit"]

#: The device that stands for all: every GPU, then main memory, then the disk (accelerate's `device_map="auto"`).
AUTO_MAP = "auto-map"

#: auto: what the tokenizer adds by itself; bos: a beginning-of-sequence token in front; none: the text alone.
SpecialTokens = Literal["auto", "bos", "none"]
