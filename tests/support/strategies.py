"""Hypothesis strategies derived from the declarations of messages, so that a new field is tried without being told."""

from typing import Any

import msgspec.inspect as types
from hypothesis import strategies as st
from msgspec import UNSET, Struct

TEXT = st.characters(codec="utf-8")
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(TEXT, max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(TEXT, max_size=4), inner, max_size=3),
    max_leaves=6,
)
INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
LENGTH_MAX = 8
"""Texts and lists are drawn no longer than this, or their least length if that is more."""
INNER_LENGTH_MAX = 2
"""Likewise for lists inside of lists, of which there are many."""


def messages(kind: type[Struct]) -> st.SearchStrategy[Any]:
    """Values of a Struct type that its declaration allows, defaults among them."""
    return _of(types.type_info(kind))


def _of(info: types.Type, inner: bool = False) -> st.SearchStrategy[Any]:
    match info:
        case types.Metadata():
            return _of(info.type, inner)
        case types.StructType():
            required = {field.name: _of(field.type, inner) for field in info.fields if field.required}
            optional = {field.name: _of(field.type, inner) for field in info.fields if not field.required}
            return st.fixed_dictionaries(required, optional=optional).map(lambda given: info.cls(**given))
        case types.UnionType():
            return st.one_of([_of(member, inner) for member in info.types if not _is_unset(member)])
        case types.StrType():
            return _text(info)
        case types.IntType():
            least, most = _bounds(info, INT64_MIN, INT64_MAX)
            return st.integers(int(least), int(most))
        case types.FloatType():
            least, most = _bounds(info, -1e300, 1e300)
            return st.floats(least, most, allow_nan=False)
        case types.LiteralType():
            return st.sampled_from(info.values)
        case types.VarTupleType():
            least, most = _lengths(info)
            most = max(least, min(most, INNER_LENGTH_MAX)) if inner else most
            return st.lists(_of(info.item_type, True), min_size=least, max_size=most).map(tuple)
        case types.DictType():
            least, most = _lengths(info)
            most = max(least, min(most, INNER_LENGTH_MAX)) if inner else most
            return st.dictionaries(_of(info.key_type), _of(info.value_type, True), min_size=least, max_size=most)
        case types.BoolType():
            return st.booleans()
        case types.NoneType():
            return st.none()
        case types.AnyType():
            return JSON_VALUES
        case _:
            raise NotImplementedError(f"no strategy for {info!r}; add one")


def _is_unset(info: types.Type) -> bool:
    return isinstance(info, types.CustomType) and info.cls is type(UNSET)


def _text(info: types.StrType) -> st.SearchStrategy[str]:
    least, most = _lengths(info)
    if info.pattern is None:
        return st.text(TEXT, min_size=least, max_size=most)
    limit = info.max_length
    texts = st.from_regex(info.pattern, alphabet=TEXT)
    return texts if limit is None else texts.filter(lambda text: len(text) <= limit)


def _lengths(info: Any) -> tuple[int, int]:
    least = info.min_length or 0
    most = LENGTH_MAX if info.max_length is None else min(info.max_length, max(LENGTH_MAX, least))
    return least, most


def _bounds(info: Any, lowest: float, highest: float) -> tuple[float, float]:
    return (lowest if info.ge is None else info.ge, highest if info.le is None else info.le)
