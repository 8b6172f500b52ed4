"""A library that the dynamic linker has no memory for counts as a lack of memory."""

from __future__ import annotations

import pytest

from lm_transparency.errors import is_out_of_memory


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        ("/a/libllvmlite.so: failed to map segment from shared object", True),
        ("/a/libllvmlite.so: cannot allocate memory in static TLS block", False),
        ("/a/libllvmlite.so: cannot open shared object file: No such file or directory", False),
    ],
)
def test_a_library_that_does_not_fit(said: str, wanted: bool) -> None:
    assert is_out_of_memory(OSError(said)) is wanted
