"""Dataclasses as plain JSON values, and back: what an archive keeps of states, configurations and limits.

Fields go by name, so a field that a class gains later comes along by itself. Bytes are "0x.." text, keys of mappings
are text, tuples are lists; numbers stay what they are, an int where a float may stand included, because the hash of a
configuration tells 1 from 1.0.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Plain values of a dataclass, a mapping, a sequence, bytes or a number.

    Raises
    ------
    ValueError
        A value is none of these.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [to_plain(item) for item in value]
    raise ValueError(f"{type(value).__name__} is not plain")


def from_plain(kind: type[T] | Any, data: Any, where: str = "value") -> T:
    """The value of a type behind its plain form.

    Parameters
    ----------
    kind
        A dataclass, a number, text, bytes, tuple, mapping, literal or optional of such.
    data
        What `to_plain` gave.
    where
        How errors call it.

    Raises
    ------
    ValueError
        The data are not of that type; it says where.
    """
    found: T = _read(kind, data, where)
    return found


def _read(kind: Any, data: Any, where: str) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(kind, type):
        return _read_dataclass(kind, data, where)
    if origin in {Union, types.UnionType}:
        for part in inner:
            if (part is type(None)) == (data is None):
                return _read(part, data, where)
        raise ValueError(f"{where}: {data!r}; {kind} is right")
    if origin is tuple:
        _demand(list, data, where)
        kinds = [inner[0]] * len(data) if inner[1:] == (...,) else list(inner)
        if len(kinds) != len(data):
            raise ValueError(f"{where}: {len(data)} items; {len(kinds)} is right")
        return tuple(_read(part, item, f"{where}[{k}]") for k, (part, item) in enumerate(zip(kinds, data, strict=True)))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        _demand(dict, data, where)
        return {_key(inner[0], key, where): _read(inner[1], item, f"{where}.{key}") for key, item in data.items()}
    if origin is Literal:
        if data not in inner:
            raise ValueError(f"{where}: {data!r}; {' or '.join(map(repr, inner))} is right")
        return data
    if kind is bytes:
        _demand(str, data, where)
        return bytes.fromhex(data.removeprefix("0x"))
    if kind is type(None) or kind is Any:
        return data
    if kind not in {int, float, str, bool}:
        raise ValueError(f"{where}: {kind} is not read from an archive")
    if isinstance(data, bool) != (kind is bool) or not isinstance(data, (int, float) if kind is float else kind):
        raise ValueError(f"{where}: {data!r}; {kind.__name__} is right")
    return data


def _read_dataclass(kind: Any, data: Any, where: str) -> Any:
    _demand(dict, data, where)
    kinds = get_type_hints(kind)
    known = {field.name: field for field in fields(kind)}
    unknown = data.keys() - known.keys()
    if unknown:
        raise ValueError(f"{where}: {', '.join(sorted(unknown))} is unknown here; {', '.join(known)} is right")
    for name, field in known.items():
        if name not in data and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{where}: {name} is missing")
    return kind(**{name: _read(kinds[name], item, f"{where}.{name}") for name, item in data.items()})


def _key(kind: Any, key: str, where: str) -> Any:
    if kind is int:
        try:
            return int(key)
        except ValueError as error:
            raise ValueError(f"{where}: key {key!r}; a number is right") from error
    return key


def _demand(kind: type, data: Any, where: str) -> None:
    if not isinstance(data, kind):
        raise ValueError(f"{where}: {type(data).__name__}; {kind.__name__} is right")  # noqa: TRY004 - one error for all
