"""What a person chooses for a model and a prompt, as words: shared by API, command line and wire. Imports nothing."""

from typing import Literal

#: auto: float32 on the CPU, elsewhere the precision the model was published in.
Dtype = Literal["auto", "float32", "bfloat16", "float16"]

#: auto: what the tokenizer adds by itself; bos: a beginning-of-sequence token in front; none: the text alone.
SpecialTokens = Literal["auto", "bos", "none"]
