"""Tests that `make test` has no time for: `make test-more` sets `LMT_MORE`."""

from __future__ import annotations

import os

import pytest

MORE = bool(os.environ.get("LMT_MORE"))
longer = pytest.mark.skipif(not MORE, reason="runs in `make test-more`")
