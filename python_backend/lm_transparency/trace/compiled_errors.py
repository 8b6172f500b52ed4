"""How far parts are from adding up to a state, row by row: compiled by numba at first use (cached on disk)."""

from __future__ import annotations

import numba
import numpy as np
from jaxtyping import Float

from .compiling import compiled
from .sums import worse

# reassociation lets the sums run in vector lanes; NaN and infinity keep their meaning
FASTMATH = {"reassoc", "contract", "nsz"}

_worse = numba.njit(worse)
# in float64, where squares of small numbers are not 0
_TINY = np.finfo(np.float64).tiny


@compiled(fastmath=FASTMATH, nogil=True)
def _relative_error(whole, first, second):  # type: ignore[no-untyped-def]  # numba infers
    # on one core: waking the others costs more than this little work
    worst = 0.0
    for row in range(whole.shape[0]):
        y, a, b = whole[row], first[row], second[row]
        error, norm = 0.0, _TINY
        for i in range(y.shape[0]):
            error += np.float64(y[i] - (a[i] + b[i])) ** 2
            norm += np.float64(y[i]) ** 2
        worst = _worse(np.sqrt(error / norm), worst)
    return worst


@compiled(fastmath=FASTMATH, nogil=True)
def _sublayer_errors(before, wrote, mid, ffn, post):  # type: ignore[no-untyped-def]
    of_attention, of_ffn, of_both = 0.0, 0.0, 0.0
    for row in range(mid.shape[0]):
        x, a, y, b, z = before[row], wrote[row], mid[row], ffn[row], post[row]
        first, second, both, mid_norm, post_norm = 0.0, 0.0, 0.0, _TINY, _TINY
        for i in range(y.shape[0]):
            moved = x[i] + a[i]
            first += np.float64(y[i] - moved) ** 2
            second += np.float64(z[i] - (y[i] + b[i])) ** 2
            both += np.float64(z[i] - (moved + b[i])) ** 2
            mid_norm += np.float64(y[i]) ** 2
            post_norm += np.float64(z[i]) ** 2
        of_attention = _worse(np.sqrt(first / mid_norm), of_attention)
        of_ffn = _worse(np.sqrt(second / post_norm), of_ffn)
        of_both = _worse(np.sqrt(both / post_norm), of_both)
    return of_attention, of_ffn, of_both


@compiled(fastmath=FASTMATH, nogil=True)
def _trial_error(weights, along, wrote, direction, whole):  # type: ignore[no-untyped-def]
    worst = 0.0
    for row in range(whole.shape[0]):
        off, added, norm = np.float32(0.0), _TINY, _TINY
        for head in range(weights.shape[0]):
            a, u = weights[head, row], along[head]
            for key in range(a.shape[0]):
                off += a[key] * u[key]
        x, y = wrote[row], whole[row]
        for i in range(x.shape[0]):
            off -= x[i] * direction[i]
            added += np.float64(x[i]) ** 2
            norm += np.float64(y[i]) ** 2
        # where large parts cancel, the state is smaller than what was added up
        worst = _worse(abs(off) / np.sqrt(max(added, norm)), worst)
    return worst


def relative_error(
    whole: Float[np.ndarray, "position d_model"],
    first: Float[np.ndarray, "position d_model"],
    second: Float[np.ndarray, "position d_model"],
) -> float:
    """The largest ‖whole − (first + second)‖₂ / ‖whole‖₂ over positions; NaN where there is one. All float32."""
    return float(_relative_error(*contiguous(whole, first, second)))


def sublayer_errors(
    before: Float[np.ndarray, "position d_model"],
    wrote: Float[np.ndarray, "position d_model"],
    mid: Float[np.ndarray, "position d_model"],
    ffn: Float[np.ndarray, "position d_model"],
    post: Float[np.ndarray, "position d_model"],
) -> tuple[float, float, float]:
    """`relative_error` of mid = before + wrote, of post = mid + ffn, and of both in one, in one pass."""
    return _sublayer_errors(*contiguous(before, wrote, mid, ffn, post))


def trial_error(
    weights: Float[np.ndarray, "head query key"],
    along: Float[np.ndarray, "head key"],
    wrote: Float[np.ndarray, "query d_model"],
    direction: Float[np.ndarray, "d_model"],
    whole: Float[np.ndarray, "query d_model"],
) -> float:
    """The largest |Σ w·(u·r) − wrote·r| / max(‖whole‖₂, ‖wrote‖₂) over queries; NaN where there is one. All float32."""
    return float(_trial_error(*contiguous(weights, along, wrote, direction, whole)))


def contiguous(*arrays: np.ndarray) -> list[np.ndarray]:
    """Contiguous copies for compiled code, which is compiled once per layout."""
    return [np.ascontiguousarray(array) for array in arrays]
