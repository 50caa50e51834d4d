"""Comparisons in conditions, as Liquid's reference implementation makes them; the library departs from it.

A missing value equals `nil` and `blank`, and is not `empty` (Shopify/liquid, issue 642). A value without an order is
neither smaller nor larger, and a value without parts contains nothing. A text and a number have no common order:
comparing them is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from liquid import BoundTemplate, RenderContext
from liquid.ast import Node
from liquid.builtin.expressions.logical import (
    ContainsExpression,
    EqExpression,
    GtExpression,
    LtExpression,
    NeExpression,
)
from liquid.builtin.expressions.primitive import Blank
from liquid.builtin.tags.case_tag import _AnyExpression
from liquid.expression import Expression
from liquid.undefined import is_undefined

_DIFFERENT = object()
"""A value that equals no other."""


def adapt_comparisons(template: BoundTemplate) -> None:
    """Change the comparisons of a parsed template, in place."""
    for expression in expressions_of(template):
        if isinstance(expression, EqExpression | NeExpression):
            if isinstance(expression.right, Blank):
                expression.right = _BlankOperand(expression.left)
            elif isinstance(expression.left, Blank):
                expression.left = _BlankOperand(expression.right)
        elif isinstance(expression, _AnyExpression):
            of = expression.left
            expression.expressions = [_BlankOperand(of) if isinstance(e, Blank) else e for e in expression.expressions]
        elif isinstance(expression, ContainsExpression):
            expression.left = _TypedOperand(expression.left, (str, list, tuple, dict))
        elif isinstance(expression, LtExpression | GtExpression):
            expression.left = _TypedOperand(expression.left, (str, int, float))
            expression.right = _TypedOperand(expression.right, (str, int, float))


def expressions_of(template: BoundTemplate) -> Iterator[Expression]:
    """Yield every expression of a parsed template, in the order of the text, the outer ones first."""
    return _expressions(template.nodes, RenderContext(template))


def _expressions(nodes: Iterable[Node], context: RenderContext) -> Iterator[Expression]:
    """Yield every expression of these nodes and of what they contain, the outer ones first."""
    for node in nodes:
        for expression in node.expressions():
            yield from _with_parts(expression)
        yield from _expressions(node.children(context, include_partials=False), context)


def _with_parts(expression: Expression) -> Iterator[Expression]:
    yield expression
    for part in expression.children():
        yield from _with_parts(part)


def _is_blank(value: object) -> bool:
    if value is None or value is False or is_undefined(value) or isinstance(value, Blank):
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, list | tuple | dict) and not value


class _BlankOperand(Expression):
    """The operand `blank` of a comparison: equal to the other operand if that is blank, else to nothing."""

    __slots__ = ("other",)

    def __init__(self, other: Expression) -> None:
        super().__init__(other.token)
        self.other = other

    def __str__(self) -> str:
        return "blank"

    def evaluate(self, context: RenderContext) -> object:
        """Return a value that equals the other one if and only if the other one is blank."""
        value = self.other.evaluate(context)
        return value if _is_blank(value) else _DIFFERENT

    def children(self) -> list[Expression]:
        """Return no parts: the other side of the comparison has them."""
        return []


class _TypedOperand(Expression):
    """An operand whose value is missing unless it has one of these types."""

    __slots__ = ("operand", "types")

    def __init__(self, operand: Expression, types: tuple[type, ...]) -> None:
        super().__init__(operand.token)
        self.operand, self.types = operand, types

    def __str__(self) -> str:
        return str(self.operand)

    def evaluate(self, context: RenderContext) -> object:
        """Return the value, or None; a boolean is not a number."""
        value = self.operand.evaluate(context)
        return value if isinstance(value, self.types) and not isinstance(value, bool) else None

    def children(self) -> list[Expression]:
        """Return the operand."""
        return [self.operand]
