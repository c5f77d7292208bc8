"""Lanes: a numba type for a vector register, so that one formula is evaluated for several arms at once.

``Lanes`` holds as many numbers as fit ``VECTOR`` bytes. It takes part in +, -, *, / and comparisons (which
give masks), and in the functions below; a plain number beside it stands for the same number in every lane.
The compiler turns each operation into one vector instruction of the processor, or into several if its
registers are narrower.

Sine, cosine and angle are made of plain arithmetic, since the functions of libm take one number at a time;
they are exact to rounding in float64. Within a quarter turn the Taylor series of sine and cosine are short,
and the angle of a point on the unit circle follows from the tangent of its eighth.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any, Final

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, lower_cast, models, register_model

from agents.kernels.compile import lanewise

WIDE: Final = bool(llvmlite.binding.get_host_cpu_features().get("avx512f"))
VECTOR: Final = 64 if WIDE else 32  # bytes
ARMS: Final = VECTOR // np.dtype(np.float64).itemsize  # lanes of float64

_intrinsic: Any = intrinsic  # whose type would give these functions the arguments of the compiler


class Lanes(types.Type):
    """The type of ``count`` numbers of one dtype, or a mask if the dtype is boolean."""

    def __init__(self, dtype: Any, count: int) -> None:
        """Name the type after both."""
        self.dtype, self.count = dtype, count
        super().__init__(name=f"Lanes({dtype}, {count})")


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    """An LLVM vector."""

    def __init__(self, manager: Any, kind: Lanes) -> None:
        super().__init__(
            manager, kind, ir.VectorType(manager.lookup(kind.dtype).get_value_type(), kind.count)
        )


def _lanes_of(array: Any) -> Lanes:
    return Lanes(array.dtype, VECTOR // (array.dtype.bitwidth // 8))


def _filled(value: Any, builder: Any, count: int) -> Any:
    """Return a vector with one value in all lanes."""
    first = ir.Constant(ir.IntType(32), 0)
    vector = ir.VectorType(value.type, count)
    first_lane = builder.insert_element(ir.Constant(vector, ir.Undefined), value, first)
    return builder.shuffle_vector(
        first_lane,
        ir.Constant(vector, ir.Undefined),
        ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count),
    )


@lower_cast(types.Number, Lanes)
def _spread_number(context: Any, builder: Any, source: Any, target: Lanes, value: Any) -> Any:
    return _filled(context.cast(builder, value, source, target.dtype), builder, target.count)


# Operators


def _register(op: Callable[..., Any], result: Callable[[Lanes], Lanes], emit: Callable[..., Any]) -> None:
    """Define a binary operator for lanes with lanes, and for lanes with a number on either side."""

    @infer_global(op)
    class _Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            known = [kind for kind in args if isinstance(kind, Lanes)]
            if len(args) == 2 and known and all(isinstance(kind, (Lanes, types.Number)) for kind in args):
                return signature(result(known[0]), known[0], known[0])
            return None

    @lower_builtin(op, Lanes, Lanes)
    def _lower(context: Any, builder: Any, kinds: Any, args: Any) -> Any:
        return emit(builder, *args)


def _mask(kind: Lanes) -> Lanes:
    return Lanes(types.boolean, kind.count)


for _op, _name in {operator.add: "fadd", operator.sub: "fsub", operator.mul: "fmul",
                   operator.truediv: "fdiv"}.items():  # fmt: skip
    for _variant in (_op, getattr(operator, "i" + _op.__name__)):
        _register(_variant, lambda kind: kind, lambda b, x, y, name=_name: getattr(b, name)(x, y))
for _op, _sign in {operator.lt: "<", operator.le: "<=", operator.gt: ">", operator.ge: ">=",
                   operator.eq: "=="}.items():  # fmt: skip
    _register(_op, _mask, lambda b, x, y, sign=_sign: b.fcmp_ordered(sign, x, y))
_register(operator.and_, lambda kind: kind, lambda b, x, y: b.and_(x, y))


@infer_global(operator.neg)
class _Negative(AbstractTemplate):
    def generic(self, args: Any, kws: Any) -> Any:
        return signature(args[0], args[0]) if isinstance(args[0], Lanes) else None


@lower_builtin(operator.neg, Lanes)
def _lower_negative(context: Any, builder: Any, kinds: Any, args: Any) -> Any:
    return builder.fneg(args[0])


# Memory


def _address(context: Any, builder: Any, kinds: Any, args: Any) -> Any:
    """Return the address of an element of an array; the index is a tuple with an integer per axis."""
    array = context.make_array(kinds[0])(context, builder, args[0])
    indices = [
        context.cast(builder, index, kind, types.intp)
        for index, kind in zip(cgutils.unpack_tuple(builder, args[1]), kinds[1].types, strict=True)
    ]
    return cgutils.get_item_pointer(context, builder, kinds[0], array, indices, wraparound=False)


@_intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """Return the lanes that start at an index (a tuple) of an array and continue along its last axis."""
    kind = _lanes_of(array)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _address(context, builder, sig.args, args)
        vector = context.get_value_type(kind)
        return builder.load(builder.bitcast(pointer, vector.as_pointer()), align=array.dtype.bitwidth // 8)

    return kind(array, index), emit


@_intrinsic
def store(typing: Any, array: Any, index: Any, value: Any) -> Any:
    """Write lanes, or one number into all of them, to where ``load`` would read."""
    kind = _lanes_of(array)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _address(context, builder, sig.args, args)
        target = builder.bitcast(pointer, context.get_value_type(kind).as_pointer())
        builder.store(args[2], target, align=array.dtype.bitwidth // 8)

    return types.void(array, index, kind), emit


@_intrinsic
def broadcast(typing: Any, array: Any, index: Any) -> Any:
    """Return lanes filled with one element of an array."""
    kind = _lanes_of(array)

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        value = builder.load(_address(context, builder, sig.args, args))
        return _filled(value, builder, kind.count)

    return kind(array, index), emit


@_intrinsic(prefer_literal=True)
def add_rows(typing: Any, rows: Any, left: Any, at: Any, right: Any, panel: Any, out: Any) -> Any:
    """Add a few rows of left @ right[panel] to out, with all sums in registers.

    With at = (b, i), right (panels, k, width) and a width of two vectors, rows b, b + 1, ... of
    left[:, i : i + k] meet the panel. The number of rows is a literal: each has code of its own.
    """

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        _, left_kind, at_kind, right_kind, panel_kind, out_kind = sig.args
        kind = _lanes_of(out_kind)
        vector, align = context.get_value_type(kind), out_kind.dtype.bitwidth // 8
        first, column = (
            context.cast(builder, index, given, types.intp)
            for index, given in zip(cgutils.unpack_tuple(builder, args[2]), at_kind.types, strict=True)
        )
        number = context.cast(builder, args[4], panel_kind, types.intp)
        size = ir.IntType(64)

        def address(kind_: Any, array: Any, *indices: Any) -> Any:
            made = context.make_array(kind_)(context, builder, array)
            return cgutils.get_item_pointer(context, builder, kind_, made, indices, wraparound=False)

        def place(row: int, half: int) -> Any:
            start = builder.add(builder.mul(number, size(2 * kind.count)), size(half * kind.count))
            return builder.bitcast(
                address(out_kind, args[5], builder.add(first, size(row)), start), vector.as_pointer()
            )

        places = [place(row, half) for row in range(rows.literal_value) for half in (0, 1)]
        sums = [cgutils.alloca_once_value(builder, builder.load(spot, align=align)) for spot in places]
        depth = context.make_array(right_kind)(context, builder, args[3]).shape
        with cgutils.for_range(builder, builder.extract_value(depth, 1)) as loop:
            halves = [
                builder.load(
                    builder.bitcast(
                        address(right_kind, args[3], number, loop.index, size(half * kind.count)),
                        vector.as_pointer(),
                    ),
                    align=align,
                )
                for half in (0, 1)
            ]
            for row in range(rows.literal_value):
                where_ = address(
                    left_kind, args[1], builder.add(first, size(row)), builder.add(column, loop.index)
                )
                value = _filled(builder.load(where_), builder, kind.count)
                for total, half in zip(sums[2 * row : 2 * row + 2], halves, strict=True):
                    builder.store(builder.fadd(builder.load(total), builder.fmul(value, half)), total)
        for total, spot in zip(sums, places, strict=True):
            builder.store(builder.load(total), spot, align=align)
        return context.get_dummy_value()

    return types.void(rows, left, at, right, panel, out), emit


# Functions


@_intrinsic
def where(typing: Any, mask: Any, yes: Any, no: Any) -> Any:
    """Return, lane by lane, ``yes`` if the mask is true and ``no`` if not."""
    kind = next((given for given in (yes, no) if isinstance(given, Lanes)), Lanes(yes, mask.count))

    def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return builder.select(*args)

    return kind(mask, kind, kind), emit


def _unary(name: str) -> Any:
    """Return the function of one argument that has this name in LLVM."""

    @_intrinsic
    def function(typing: Any, value: Any) -> Any:
        def emit(context: Any, builder: Any, sig: Any, args: Any) -> Any:
            kind = args[0].type
            full = f"llvm.{name}.v{kind.count}{kind.element.intrinsic_name}"
            callee = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind]), full)
            return builder.call(callee, args)

        return value(value), emit

    return function


sqrt, nearest, absolute = _unary("sqrt"), _unary("rint"), _unary("fabs")


@lanewise
def minimum(x: Any, y: Any) -> Any:
    """Return the smaller of two."""
    return where(x < y, x, y)


@lanewise
def maximum(x: Any, y: Any) -> Any:
    """Return the larger of two."""
    return where(x > y, x, y)


@lanewise
def clip(x: Any, low: Any, high: Any) -> Any:
    """Return x, limited to bounds."""
    return minimum(maximum(x, low), high)


SINE: Final = tuple((-1.0) ** k / math.factorial(2 * k + 1) for k in range(11))  # error below 2e-18 here
COSINE: Final = tuple((-1.0) ** k / math.factorial(2 * k) for k in range(12))  # 2e-20
HALF_TURN: Final = (math.pi, 1.2246467991473532e-16)  # pi in two parts
# atan(x) / x in powers of x^2, for |x| <= tan(pi / 8): our own minimax fit, error 1.3e-18 before rounding.
ARCTAN: Final = (
    1.0, -0.3333333333333312, 0.19999999999940893, -0.14285714279250245, 0.11111110744919658,
    -0.09090896809064027, 0.07692045330902225, -0.06662951813629191, 0.05846878297330872,
    -0.05035102456601552, 0.03796525745386593, -0.017805397205419446,
)  # fmt: skip


@lanewise
def _series(coefficients: Any, x: Any) -> Any:
    """Evaluate the polynomial with these coefficients of 1, x, x^2, ..."""
    total = coefficients[-2] + x * coefficients[-1]
    for k in range(len(coefficients) - 3, -1, -1):
        total = coefficients[k] + x * total
    return total


@lanewise
def cosine_and_sine(angle: Any) -> tuple[Any, Any]:
    """Return cosine and sine of an angle [rad] of a few turns.

    The error grows by 1e-16 every few hundred turns.
    """
    turns = nearest(angle * (1.0 / math.pi))  # half turns
    rest = angle - turns * HALF_TURN[0] - turns * HALF_TURN[1]
    odd = 0.5 * turns - nearest(0.5 * turns)  # plus or minus a half if their number is odd, else 0
    sign = 1.0 - 8.0 * odd * odd
    square = rest * rest
    return sign * _series(COSINE, square), sign * rest * _series(SINE, square)


@lanewise
def angle_of(cosine: Any, sine: Any) -> Any:
    """Return the angle of a point on the unit circle, from -pi to pi [rad].

    With C = cos(angle / 2) and D = cos(angle / 4), tan(angle / 8) = sine / (4 C D (1 + D)).
    """
    half = sqrt(maximum(0.5 + 0.5 * cosine, 1e-300))
    quarter = sqrt(0.5 + 0.5 * half)
    tangent = sine / (4.0 * half * quarter * (1.0 + quarter))
    return 8.0 * tangent * _series(ARCTAN, tangent * tangent)
