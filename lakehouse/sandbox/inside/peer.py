"""Tests call a solution that lives in another process, so that the solution cannot decide how its tests end.

Values of built-in types travel by value, in a notation that is data and never code; everything else stays where it is
and is named by a number. The tests' side holds a `Remote` for such an object and forwards what is done to it. Rules
that keep the solution honest:

- an object of the solution never equals, exceeds or contains a plain value by its own word, nor is a plain value taken from
  it or added to it: `assert f(2) == 5` and `abs(f(2) - 5) < 0.1` are decided by the tests' own numbers. What extends a
  built-in type counts by the built-in value in it;
- the solution's exceptions arrive as exceptions of the same name, but never as one that ends the tests;
- the solution may call or step through what a test handed to it, and nothing else on the tests' side.

What does not work across the gap: passing objects of classes that the tests define, subclassing a class of the
solution, awaiting its coroutines, replacing its globals. Such tests fail; they never pass by mistake.
"""

from __future__ import annotations

import builtins
import collections
import contextlib
import datetime
import decimal
import fractions
import json
import math
import operator
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from typing import Any

MOST_BYTES = 32 << 20  # of one message
DEEPEST = 400  # of calls from one side to the other and back

Plain = (bool, int, float, str, type(None))


class Gone(BaseException):
    """The other side ended or sent something that is no message. Not an Exception, so that no test swallows it."""


class Remote:
    """An object of the other side. Operators are attached below."""

    __slots__ = ("_like", "_number", "_peer")
    # So that isinstance(counter, dict) holds.
    __class__ = property(lambda it: Remote if it._like is None else type(it._like))

    def __init__(self, peer: Peer, number: int, like: Any = None) -> None:
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_number", number)
        object.__setattr__(self, "_like", like)  # its plain value, where its class extends a built-in one

    def __getattr__(self, name: str) -> Any:
        kind = type(self._like)
        if self._like is not None and hasattr(kind, name) and (kind not in _MUTABLE or name in _QUESTIONS):
            return getattr(self._plain(), name)
        return _ask(self, "getattr", name)

    def _plain(self) -> Any:
        """The built-in value as it is now: methods of its own class may have changed it."""
        return _ask(self, "plain")

    def __setattr__(self, name: str, value: Any) -> None:
        _ask(self, "setattr", name, value)

    def __call__(self, *args: Any, **named: Any) -> Any:
        return self._peer.call(self._number, args, named)

    def __eq__(self, other: object) -> bool:
        if type(other) is not Remote:
            return self._like is not None and bool(self._plain() == other)
        return _ask(self, "eq", other) is True

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self._plain()) if self._like is not None else int(_ask(self, "hash"))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._plain()) if self._like is not None else Stepped(_ask(self, "iter"))

    def __contains__(self, item: object) -> bool:
        return item in self._plain() if self._like is not None else any(item == one for one in self)

    def __getitem__(self, key: Any) -> Any:
        if self._like is not None:
            with contextlib.suppress(KeyError, TypeError):  # a dictionary with defaults
                return self._plain()[key]
        return _ask(self, "getitem", key)

    def __repr__(self) -> str:
        return str(_ask(self, "repr"))

    def __str__(self) -> str:
        return str(_ask(self, "str"))

    def __bool__(self) -> bool:
        return bool(self._plain()) if self._like is not None else _ask(self, "bool") is True

    def __instancecheck__(self, instance: object) -> bool:
        return type(instance) is Remote and _ask(self, "instance", instance) is True

    def __enter__(self) -> Any:
        return _ask(self, "enter")

    def __exit__(self, *_: object) -> None:
        _ask(self, "exit")


class Stepped:
    """Steps through an iterator of the other side."""

    def __init__(self, iterator: Any) -> None:
        self._given = iter(iterator) if type(iterator) is not Remote else None
        self._remote = iterator

    def __iter__(self) -> Stepped:
        return self

    def __next__(self) -> Any:
        return next(self._given) if self._given is not None else _ask(self._remote, "next")


def _ask(remote: Remote, what: str, *args: Any) -> Any:
    return remote._peer.operate(remote._number, what, args)


def _number_hash(value: Any) -> int:
    return hash(value)


_MUTABLE = (list, dict, set, bytearray)
# Methods that ask and change nothing: of a mutable value these are answered by what is in it, not by its class.
_QUESTIONS = frozenset(
    [
        "count",
        "index",
        "get",
        "keys",
        "values",
        "items",
        "copy",
        "issubset",
        "issuperset",
        "isdisjoint",
        "union",
        "intersection",
        "difference",
        "symmetric_difference",
    ]
)
_SCALING = ["mul", "truediv", "pow", "matmul"]  # by a number: it tells the solution nothing that a test compares with
_MIXING = ["add", "sub", "floordiv", "mod", "and_", "or_", "xor", "lshift", "rshift"]
_ORDER = ["lt", "le", "gt", "ge"]
_BINARY = [*_SCALING, *_MIXING, *_ORDER]
_UNARY = ["neg", "pos", "abs", "invert", "index"]
OPERATIONS: dict[str, Callable[..., Any]] = {name: getattr(operator, name) for name in [*_BINARY, *_UNARY, "getitem"]}
OPERATIONS |= {
    "plain": lambda it: _plain(next(base for base in _BASES if isinstance(it, base)), it),
    "getattr": getattr, "setattr": setattr, "eq": operator.eq, "hash": _number_hash, "iter": iter, "next": next,
    "repr": repr, "str": str, "bool": bool, "len": len, "int": int, "float": float, "round": round, "dir": dir,
    "instance": lambda of, value: isinstance(value, of), "setitem": operator.setitem, "delitem": operator.delitem,
    "reversed": reversed, "enter": lambda it: it.__enter__(), "exit": lambda it: it.__exit__(None, None, None),
    **{f"r{name}": (lambda op: lambda a, b: op(b, a))(getattr(operator, name)) for name in [*_SCALING, *_MIXING]},
}  # fmt: skip


def _attach(method: str, operation: str) -> None:
    def forward(self: Remote, *args: Any) -> Any:
        if self._like is not None:
            return OPERATIONS[operation](self._plain(), *args)
        return _ask(self, operation, *args)

    setattr(Remote, method, forward)


def _attach_told(method: str, operation: str) -> None:
    """What changes an object, or steps it, is for the object itself."""

    def forward(self: Remote, *args: Any) -> Any:
        return _ask(self, operation, *args)

    setattr(Remote, method, forward)


def _attach_binary(method: str, operation: str, *, mixes: bool) -> None:
    """An operator of two. `mixes`: its other side may be what a test compares with, so no plain value is shown."""

    def forward(self: Remote, other: Any) -> Any:
        if self._like is not None and (type(other) is not Remote or other._like is not None):
            return OPERATIONS[operation](self._plain(), other._plain() if type(other) is Remote else other)
        if mixes and type(other) is not Remote:
            raise TypeError(f"{operation.strip('_')} between an object of the solution and a {type(other).__name__}")
        return _ask(self, operation, other)

    setattr(Remote, method, forward)


for _name in _BINARY:
    _attach_binary(f"__{_name.rstrip('_')}__", _name, mixes=_name not in _SCALING)
for _name in [*_SCALING, *_MIXING]:
    _attach_binary(f"__r{_name.rstrip('_')}__", f"r{_name}", mixes=_name not in _SCALING)
for _name in [*_UNARY, "len", "int", "float", "round", "reversed"]:
    _attach(f"__{_name}__", _name)
for _name in ("dir", "setitem", "delitem", "next"):
    _attach_told(f"__{_name}__", _name)


class Peer:
    """One end of the connection. `trusting`: this end lets the other do more than call functions it was given."""

    def __init__(self, connection: socket.socket, *, trusting: bool) -> None:
        self._connection, self._trusting = connection, trusting
        self._objects: list[Any] = []
        self._numbers: dict[int, int] = {}
        self._depth = 0
        self.errors: dict[str, type[Exception]] = {}  # exception classes of the other side, by name
        self.gone = ""  # why there is no other side any more

    # -- what this end asks of the other

    def call(self, number: int, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        said = self._request(["call", number, self.pack(list(args)), self.pack(named)])
        for place, value in said.get("changed", ()):
            _refill(args[place], self.unpack(value))
        return self.unpack(said["value"])

    def operate(self, number: int, what: str, args: tuple[Any, ...]) -> Any:
        return self.unpack(self._request([what, number, self.pack(list(args))])["value"])

    def request(self, what: str, *args: Any) -> Any:
        """A request that is about no object, answered by the other end's `serve`."""
        return self.unpack(self._request([what, -1, self.pack(list(args))])["value"])

    def _request(self, message: list[Any]) -> dict[str, Any]:
        if self._depth >= DEEPEST:
            raise RecursionError("the solution and its tests called each other too deeply")
        self._depth += 1
        try:
            if self.gone:
                raise Gone(self.gone)
            self.send(message)
            answer = self.receive()
            while isinstance(answer, list):
                self.send(self._served(answer))
                answer = self.receive()
        finally:
            self._depth -= 1
        if "error" in answer:
            raise self._error(*answer["error"])
        if "value" not in answer:
            raise self._lost("an answer without a value")
        said: dict[str, Any] = answer
        return said

    # -- what this end does for the other

    def serve(self, requests: dict[str, Callable[..., Any]]) -> None:
        """Answer until the other end closes."""
        self._requests = requests
        while True:
            message = self.receive()
            if isinstance(message, list):
                self.send(self._served(message))

    def _served(self, message: list[Any]) -> dict[str, Any]:
        try:
            what, number, args, *rest = message
            values = self.unpack(args)
            if number == -1:
                return {"value": self.pack(self._requests[what](*values))}
            target = self._objects[number]
            if what == "call":
                return self._called(target, args, values, self.unpack(rest[0]))
            if not self._trusting and what not in ("iter", "next"):
                raise TypeError(f"a solution may call what a test hands to it, not ask for {what}")
            return {"value": self.pack(OPERATIONS[what](target, *values))}
        except Gone:
            raise
        except BaseException as error:  # noqa: BLE001  whatever it raises is the other side's to see
            return {"error": _described(error)}

    def _called(self, target: Any, packed: Any, values: list[Any], named: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = {"value": self.pack(target(*values, **named))}
        mutable = [i for i, value in enumerate(values) if isinstance(value, list | dict | set | bytearray)]
        again = [(i, self.pack(values[i])) for i in mutable]
        if changed := [(i, now) for i, now in again if now != packed[i]]:
            answer["changed"] = changed
        return answer

    # -- values as data

    def pack(self, value: Any) -> Any:
        """The value as JSON can hold it; objects of other types by number."""
        kind: type = type(value)
        if kind is int:
            return value if -(1 << 63) <= value < 1 << 63 else {"int": hex(value)}
        if kind is float:
            return value if math.isfinite(value) else {"float": str(value)}
        if kind in Plain:
            return value
        if kind is list:
            return [self.pack(item) for item in value]
        if kind is dict:
            return {"dict": [[self.pack(k), self.pack(v)] for k, v in value.items()]}
        if kind in _SEQUENCES:
            return {kind.__name__: [self.pack(item) for item in value]}
        if kind in (bytes, bytearray):
            return {kind.__name__: value.hex()}
        if kind is complex:
            return {"complex": [self.pack(value.real), self.pack(value.imag)]}
        if kind is range:
            return {"range": [value.start, value.stop, value.step]}
        if kind is type and (name := str(value.__name__)) in vars(builtins) and vars(builtins)[name] is value:
            return {"builtin": name}
        if kind is Remote:
            return {"yours": value._number}
        if parts := _BY_PARTS.get(kind):
            return {kind.__name__: self.pack(parts[0](value))}
        like = next((base for base in _BASES if isinstance(value, base)), None)
        return {"mine": self._kept(value), **({} if like is None else {"like": self.pack(_plain(like, value))})}

    def unpack(self, said: Any) -> Any:
        if type(said) in Plain:
            return said
        if isinstance(said, list):
            return [self.unpack(item) for item in said]
        if "mine" in said:
            return Remote(self, int(said["mine"]), self.unpack(said.get("like")))
        ((kind, value),) = said.items()
        if kind == "dict":
            return {self.unpack(k): self.unpack(v) for k, v in value}
        if kind in _SEQUENCE_NAMES:
            return _SEQUENCE_NAMES[kind](self.unpack(item) for item in value)
        if kind == "yours":
            return self._objects[value]
        if kind in _FROM_PARTS:
            return _FROM_PARTS[kind](self.unpack(value))
        return _SCALARS[kind](value)

    def _kept(self, value: Any) -> int:
        """The number of an object of ours that the other side may name from now on."""
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self._objects)
            self._objects.append(value)
        return number

    # -- messages

    def send(self, message: Any) -> None:
        data = json.dumps(message, separators=(",", ":")).encode()
        if len(data) > MOST_BYTES:
            raise ValueError(f"{len(data)} bytes do not pass between a solution and its tests: at most {MOST_BYTES}.")
        try:
            self._connection.sendall(struct.pack("<I", len(data)) + data)
        except OSError as error:
            raise self._lost(str(error)) from None

    def receive(self) -> Any:
        (length,) = struct.unpack("<I", self._exactly(4))
        if length > MOST_BYTES:
            raise self._lost(f"a message of {length} bytes")
        try:
            message = json.loads(self._exactly(length))
        except (ValueError, RecursionError) as error:
            raise self._lost(f"no message: {error}") from None
        if not isinstance(message, list | dict):
            raise self._lost("no message")
        return message

    def _exactly(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            try:
                more = self._connection.recv(min(length - len(data), 1 << 20))
            except OSError as error:
                raise self._lost(str(error)) from None
            if not more:
                raise self._lost("closed")
            data += more
        return bytes(data)

    def _lost(self, why: str) -> Gone:
        """The connection is of no use any more; kept, because a test may swallow even this exception."""
        self.gone = self.gone or why
        return Gone(self.gone)

    def _error(self, module: str, name: str, base: str, text: str) -> Exception:
        known = getattr(builtins, name, None) if module == "builtins" else self.errors.get(name)
        if known is None and module in sys.stdlib_module_names and module in sys.modules:
            known = getattr(sys.modules[module], name, None)
        if not (isinstance(known, type) and issubclass(known, Exception)):
            known = getattr(builtins, base, None)
        if not (isinstance(known, type) and issubclass(known, Exception)):
            known = RuntimeError
        error: Exception = known.__new__(known, text)
        error.args = (text,)
        error.from_solution = True  # type: ignore[attr-defined]
        return error


_SEQUENCES = (tuple, set, frozenset)
_SEQUENCE_NAMES: dict[str, Callable[..., Any]] = {kind.__name__: kind for kind in _SEQUENCES}


_BASES: tuple[type, ...] = (int, float, str, bytes, list, tuple, dict, set, frozenset)
_BY_PARTS: dict[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    decimal.Decimal: (str, decimal.Decimal),
    fractions.Fraction: (lambda f: [f.numerator, f.denominator], lambda parts: fractions.Fraction(*parts)),
    collections.deque: (list, collections.deque),
    datetime.datetime: (lambda t: t.isoformat(), datetime.datetime.fromisoformat),
    datetime.date: (lambda t: t.isoformat(), datetime.date.fromisoformat),
    datetime.time: (lambda t: t.isoformat(), datetime.time.fromisoformat),
    datetime.timedelta: (lambda t: [t.days, t.seconds, t.microseconds], lambda parts: datetime.timedelta(*parts)),
}
_FROM_PARTS = {kind.__name__: make for kind, (_, make) in _BY_PARTS.items()}


def _plain(base: type, value: Any) -> Any:
    """The built-in value inside an object whose class extends a built-in one, whatever its methods say."""
    if base is dict:
        return {key: dict.__getitem__(value, key) for key in dict.__iter__(value)}
    if base is str:
        return str.__str__(value)
    if base is bytes:
        return bytes.__getitem__(value, slice(None))
    if base in (int, float):
        return int.__int__(value) if base is int else float.__float__(value)
    plain: Callable[..., Any] = base
    step: Callable[..., Any] = base.__dict__["__iter__"]
    return plain(step(value))


def _builtin(name: str) -> type:
    found = getattr(builtins, name)
    if not isinstance(found, type):
        raise Gone(f"{name} is no type")
    return found


_SCALARS: dict[str, Callable[..., Any]] = {
    "int": lambda text: int(text, 16),
    "float": float,
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda parts: complex(*(float(p["float"]) if isinstance(p, dict) else p for p in parts)),
    "range": lambda parts: range(*parts),
    "builtin": _builtin,
}


def _described(error: BaseException) -> list[str]:
    """Module, name, nearest built-in base and text of an exception."""
    kind = type(error)
    base = next(c for c in kind.__mro__ if c.__module__ == "builtins")
    try:
        only = error.args[0] if len(error.args) == 1 else None
        text = (only if type(only) is str else str(error))[:2000]
    except BaseException:  # noqa: BLE001  the text of a hostile exception is its own affair
        text = ""
    return [str(kind.__module__), kind.__name__, base.__name__, text]


def _refill(held: Any, now: Any) -> None:
    """Give a mutable argument the content that the solution left in it."""
    if type(held) is not type(now):
        return
    if isinstance(held, list | bytearray):
        held[:] = now
    elif isinstance(held, dict | set):
        held.clear()
        held.update(now)


def names_of(namespace: dict[str, Any]) -> list[list[Any]]:
    """What a solution's module offers: name, kind, and its value or the base of an exception class."""
    found: list[list[Any]] = []
    for name, value in list(namespace.items()):
        if name.startswith("__") and name != "__doc__":
            continue
        if isinstance(value, type(os)):
            found.append([name, "module", value.__name__])
        elif isinstance(value, type) and issubclass(value, Exception) and value.__module__ == namespace["__name__"]:
            base = next(c.__name__ for c in value.__mro__ if c.__module__ == "builtins")
            found.append([name, "error", base])
        else:
            found.append([name, "value", value])
    return found
