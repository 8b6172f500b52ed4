"""Sixteen keys side by side in the vector registers of whichever processor compiles this.

numba vectorises a loop where it can prove that this is safe. These are the inner loops of the CPU kernel for which it
cannot, written in LLVM's language, where sixteen numbers are one value. After a change here, touch `cpu.py`: numba's
cache checks only the caller's file.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

LANES = 16
#: Coordinates transposed at a time.
TURNED = 8

_FLOAT, _INT, _LONG = ir.FloatType(), ir.IntType(32), ir.IntType(64)
_FLOATS, _INTS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INT, LANES)
_SOME = ir.VectorType(_FLOAT, TURNED)
_ZERO, _NONE = ir.Constant(_FLOATS, [0.0] * LANES), ir.Constant(_INTS, [0] * LANES)
#: The bits of a float that hold its size, and the bit of its sign.
_SIZE, _SIGN = (ir.Constant(_INTS, [bits] * LANES) for bits in (0x7FFFFFFF, -0x80000000))
_LARGEST = (ir.FunctionType(_INT, [_INTS]), f"llvm.vector.reduce.smax.v{LANES}i32")
#: A product and the sum it goes into may be one instruction.
_FUSED = ("contract",)


class _Lanes:
    """Read and write vectors from and to the arrays that a function is given."""

    def __init__(self, context: Any, builder: Any, signature: Any, args: Any) -> None:
        self._context, self._builder, self._types, self._args = context, builder, signature.args, args

    def array(self, argument: int) -> Any:
        return self._context.make_array(self._types[argument])(self._context, self._builder, self._args[argument])

    def one(self, argument: int, at: Any) -> Any:
        return self._builder.load(self._builder.gep(self.array(argument).data, [at]))

    def load(self, argument: int, at: Any, kind: Any = _FLOATS) -> Any:
        return self._builder.load(self._vector(argument, at, kind), align=4)

    def store(self, value: Any, argument: int, at: Any) -> None:
        self._builder.store(value, self._vector(argument, at, value.type), align=4)

    def everywhere(self, value: Any) -> Any:
        nothing = ir.Constant(_FLOATS, ir.Undefined)
        return self._builder.shuffle_vector(self._builder.insert_element(nothing, value, _INT(0)), nothing, _NONE)

    def positive(self, values: Any) -> Any:
        """The value where it is above 0, else 0, also for NaN."""
        return self._builder.select(self._builder.fcmp_ordered(">", values, _ZERO), values, _ZERO)

    def size(self, values: Any) -> Any:
        """The bits of |x|; as integers they have the order of the sizes."""
        return self._builder.and_(self._builder.bitcast(values, _INTS), _SIZE)

    def _vector(self, argument: int, at: Any, kind: Any) -> Any:
        return self._builder.bitcast(self._builder.gep(self.array(argument).data, [at]), kind.as_pointer())


def _turn(_typing: Any, rows: Any, key: Any, at: Any, turned: Any, largest: Any, direction: Any, along: Any) -> Any:
    """Transpose eight coordinates from `at` on of sixteen `rows` from `key` on, one coordinate a row of `turned`.

    Updates `largest`, max|u| of the sixteen, and `along`, u·`direction`.
    """

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes, at = _Lanes(context, builder, signature, args), args[2]
        stride = builder.extract_value(lanes.array(0).shape, 1)
        starts = [builder.add(builder.mul(builder.add(args[1], _LONG(i)), stride), at) for i in range(LANES)]
        read = [lanes.load(0, start, _SOME) for start in starts]

        def shuffled(a: Any, b: Any, order: list[int]) -> Any:
            return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT, len(order)), order))

        most, sums = builder.bitcast(lanes.load(4, _LONG(0)), _INTS), lanes.load(6, _LONG(0))
        halves = [_transposed(read[:TURNED], shuffled), _transposed(read[TURNED:], shuffled)]
        for i, (low, high) in enumerate(zip(*halves, strict=True)):
            values = shuffled(low, high, list(range(LANES)))
            lanes.store(values, 3, builder.mul(builder.add(at, _LONG(i)), _LONG(LANES)))
            size = lanes.size(values)
            most = builder.select(builder.icmp_signed(">", size, most), size, most)
            step = lanes.everywhere(lanes.one(5, builder.add(at, _LONG(i))))
            sums = builder.fadd(sums, builder.fmul(values, step, flags=_FUSED), flags=_FUSED)
        lanes.store(builder.bitcast(most, _FLOATS), 4, _LONG(0))
        lanes.store(sums, 6, _LONG(0))
        return context.get_dummy_value()

    return types.void(rows, key, at, turned, largest, direction, along), code


def _reach(_typing: Any, weights: Any, slopes: Any, at: Any, largest: Any) -> Any:
    """How far the furthest of sixteen parts with a positive slope reaches, |w|·max|u|, as bits in the order of the
    sizes.

    `weights`, `slopes`: from `at` on.
    """

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = _Lanes(context, builder, signature, args)
        weight, slope, largest = lanes.load(0, args[2]), lanes.load(1, args[2]), lanes.load(3, _LONG(0))
        rises = builder.fcmp_ordered(">", builder.fmul(weight, slope), _ZERO)
        size = lanes.size(builder.fmul(weight, largest))
        largest_of = cgutils.get_or_insert_function(builder.module, *_LARGEST)
        return builder.call(largest_of, [builder.select(rises, size, _NONE)])

    return types.int32(weights, slopes, at, largest), code


def _bend(
    _typing: Any, weights: Any, slopes: Any, at: Any, turned: Any, index: Any, y: Any, n: Any, near: Any, to: Any
) -> Any:
    """Write max(0, w·g − 2 · Σ_j max(0, sign(y_j)·(w·u_j − y_j))) of sixteen parts into `near` from `to` on.

    `weights`, `slopes`: from `at` on. `turned`: u of the sixteen keys, one coordinate a row. `index`, `y`: the `n`
    coordinates that may bend a part, and the state there.
    """

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes, n_bends, zero = _Lanes(context, builder, signature, args), args[6], _LONG(0)
        weight = lanes.load(0, args[2])
        rise = lanes.positive(builder.fmul(weight, lanes.load(1, args[2])))
        before, loop, after = builder.block, builder.append_basic_block("bends"), builder.append_basic_block("bent")
        builder.cbranch(builder.icmp_signed(">", n_bends, zero), loop, after)

        builder.position_at_end(loop)
        j, lost = builder.phi(_LONG), builder.phi(_FLOATS)
        row = builder.mul(builder.zext(lanes.one(4, j), _LONG), _LONG(LANES))
        whole = lanes.everywhere(lanes.one(5, j))
        past = builder.fsub(builder.fmul(weight, lanes.load(3, row), flags=_FUSED), whole, flags=_FUSED)
        sign = builder.and_(builder.bitcast(whole, _INTS), _SIGN)
        past = builder.bitcast(builder.xor(builder.bitcast(past, _INTS), sign), _FLOATS)
        more, following = builder.fadd(lost, lanes.positive(past)), builder.add(j, _LONG(1))
        for phi, start, then in ((j, zero, following), (lost, _ZERO, more)):
            phi.add_incoming(start, before)
            phi.add_incoming(then, loop)
        builder.cbranch(builder.icmp_signed("<", following, n_bends), loop, after)

        builder.position_at_end(after)
        total = builder.phi(_FLOATS)
        total.add_incoming(_ZERO, before)
        total.add_incoming(more, loop)
        twice = builder.fmul(total, ir.Constant(_FLOATS, [2.0] * LANES))
        lanes.store(lanes.positive(builder.fsub(rise, twice)), 7, args[8])
        return context.get_dummy_value()

    return types.void(weights, slopes, at, turned, index, y, n, near, to), code


def _transposed(rows: list[Any], shuffled: Any) -> list[Any]:
    """Transpose 8 × 8 by neighbours, pairs and halves, one instruction each in a 256-bit register."""
    ones = [shuffled(rows[i], rows[i + 1], order) for i in range(0, 8, 2) for order in (_LOW, _HIGH)]
    pairs = [shuffled(ones[i + k], ones[i + 2 + k], order) for i in (0, 4) for k in (0, 1) for order in _PAIRS]
    return [shuffled(pairs[i], pairs[i + 4], order) for order in _HALVES for i in range(4)]


_LOW, _HIGH = [0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]
_PAIRS = [0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]
_HALVES = [0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]

#: As compiled functions call them, without the first argument.
turn: Any = intrinsic(_turn)
reach: Any = intrinsic(_reach)
bend: Any = intrinsic(_bend)
