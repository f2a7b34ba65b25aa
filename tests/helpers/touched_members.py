"""Which members of a C++ library some code touches, found by following the library's objects through the source.

A small abstract interpreter, which runs nothing: every expression has the kinds of object that it can be. The module is
where it starts; what calls and properties of the library give, the signatures of its bindings say.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

Touch = tuple[str, "int | None"]
"""A member as in `Builder.create_network`, and the count of positional arguments of its call; None: no call."""
Place = tuple[str, int, int]
"""File, line and column of the end of what touches it."""


class Kind(NamedTuple):
    """What an expression can be: the library's `module`, a `class`, `object` or `callable` of it; or of our own code
    an `instance`, a class to make one (`maker`), a `function` or a `property`."""

    what: str
    name: str = ""


Kinds = frozenset[Kind]
Use = Literal["value", "step", "call"]
"""Of an expression: its value is used; it is on the way to a member, which is what is touched; it is called."""
MODULE = Kind("module")


class Bindings:
    """What the signatures in the library's bindings say."""

    def __init__(self, module: Any) -> None:
        self._classes = {name: found for name, found in vars(module).items() if inspect.isclass(found)}

    def is_class(self, name: str) -> bool:
        """Whether the module has a class of this name."""
        return name in self._classes

    def given_by(self, member: str) -> Kinds:
        """The objects of the library that a call of this method, or this property, gives."""
        owner, _, name = member.rpartition(".")
        found = getattr(self._classes.get(owner), name, None)
        signatures = getattr(found.fget if isinstance(found, property) else found, "__doc__", None) or ""
        results = re.findall(r"-> (?:\w+(?:\.|::))*(\w+)", signatures)
        return frozenset(Kind("object", result) for result in results if self.is_class(result))


class Follower:
    """Follows the library through `sources`, by file name.

    Args:
        start: parameters, as `function.parameter`, that are the library's module.

    Attributes:
        touches: every member, with the places where it is touched.
        unknown: attributes, as they are written, of what could not be followed.
    """

    def __init__(self, bindings: Bindings, sources: Mapping[str, ast.Module], start: Sequence[str]) -> None:
        self.touches: defaultdict[Touch, set[Place]] = defaultdict(set)
        self.unknown: set[str] = set()
        self._bindings, self._sources = bindings, sources
        self._known: defaultdict[str, Kinds] = defaultdict(frozenset)
        self._known.update({name: frozenset((MODULE,)) for name in start})
        self._parameters: dict[str, list[str]] = {}
        self._scope: tuple[str, ...] = ()
        self._file = ""
        before = -1
        while before != (before := sum(map(len, self._known.values()))):  # calls lie before and behind what they call
            self._read_all()

    def _read_all(self) -> None:
        self.touches.clear()
        self.unknown.clear()
        for file, tree in self._sources.items():
            self._file = file
            self._statements(tree.body)

    def _learn(self, name: str, kinds: Kinds) -> None:
        self._known[name] |= kinds

    def _touch(self, member: str, count: int | None, place: ast.AST) -> None:
        line, column = getattr(place, "end_lineno", 0), getattr(place, "end_col_offset", 0)
        self.touches[member, count].add((self._file, line, column))

    # Statements

    def _statements(self, nodes: Sequence[ast.AST]) -> None:
        for node in nodes:
            self._statement(node)

    def _statement(self, node: ast.AST) -> None:
        if isinstance(node, ast.FunctionDef):
            self._function(node)
        elif isinstance(node, ast.ClassDef):
            self._class(node)
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                self._assign(target, node.value, self._kinds(node.value))
        elif isinstance(node, ast.AnnAssign):
            self._assign(node.target, node.value, self._kinds(node.value) if node.value else frozenset())
        elif isinstance(node, ast.Return) and node.value is not None:
            self._return(node.value)
        elif isinstance(node, ast.expr):
            self._kinds(node)
        else:
            self._statements(list(ast.iter_child_nodes(node)))

    def _function(self, node: ast.FunctionDef) -> None:
        owner = next((scope for scope in self._scope[-1:] if Kind("maker", scope) in self._known[scope]), "")
        name = f"{owner}.{node.name}" if owner else node.name
        is_property = any(isinstance(each, ast.Name) and each.id == "property" for each in node.decorator_list)
        self._learn(name, frozenset((Kind("property" if is_property else "function", name),)))
        self._parameters[name] = [argument.arg for argument in node.args.args if argument.arg != "self"]
        self._learn(f"{name}.self", frozenset((Kind("instance", owner),)) if owner else frozenset())
        for argument in node.args.args:
            declared = self._name(argument.annotation.id) if isinstance(argument.annotation, ast.Name) else ()
            makers = frozenset(Kind("instance", kind.name) for kind in declared if kind.what == "maker")
            self._learn(f"{name}.{argument.arg}", makers)
        self._inside(name, node.body)

    def _class(self, node: ast.ClassDef) -> None:
        self._learn(node.name, frozenset((Kind("maker", node.name),)))
        for base in chain.from_iterable(self._kinds(base, "step") for base in node.bases):
            if base.what == "class":
                self._overridden(base.name, node)
        self._inside(node.name, node.body)

    def _overridden(self, name: str, node: ast.ClassDef) -> None:
        """The library calls these methods by name."""
        for item in node.body:
            if isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
                self._touch(f"{name}.{item.name}", len(item.args.args) - 1, item)

    def _inside(self, name: str, body: Sequence[ast.AST]) -> None:
        outer, self._scope = self._scope, (*self._scope, name)
        self._statements(body)
        self._scope = outer

    def _assign(self, target: ast.expr, value: ast.expr | None, kinds: Kinds) -> None:
        if isinstance(target, ast.Name):
            self._learn(".".join((*self._scope[-1:], target.id)), kinds)
        elif isinstance(target, ast.Tuple):
            for index, each in enumerate(target.elts):
                self._assign(each, None, self._item(value, index))
        elif isinstance(target, ast.Attribute):
            self._kinds(target)
            for owner in self._kinds(target.value, "step"):
                if owner.what == "instance":
                    self._learn(f"{owner.name}.{target.attr}", kinds)

    def _item(self, value: ast.expr | None, index: int) -> Kinds:
        if isinstance(value, ast.Tuple):
            return self._kinds(value.elts[index])
        callees = self._kinds(value.func, "call") if isinstance(value, ast.Call) else ()
        return frozenset().union(*(self._known[f"{callee.name}->{index}"] for callee in callees))

    def _return(self, value: ast.expr) -> None:
        self._learn(f"{self._scope[-1]}->", self._kinds(value))
        for index, each in enumerate(value.elts if isinstance(value, ast.Tuple) else ()):
            self._learn(f"{self._scope[-1]}->{index}", self._kinds(each))

    # Expressions

    def _kinds(self, node: ast.AST, use: Use = "value") -> Kinds:
        """What the expression can be."""
        if isinstance(node, ast.Name):
            return self._name(node.id)
        if isinstance(node, ast.Attribute):
            return self._attribute(node, use)
        if isinstance(node, ast.Call):
            return self._call(node)
        children = [self._kinds(child) for child in ast.iter_child_nodes(node)]
        return frozenset().union(*children) if isinstance(node, ast.IfExp | ast.BoolOp) else frozenset()

    def _name(self, name: str) -> Kinds:
        scopes = (f"{scope}.{name}" for scope in reversed(self._scope))
        return next((self._known[each] for each in (*scopes, name) if self._known.get(each)), frozenset())

    def _attribute(self, node: ast.Attribute, use: Use) -> Kinds:
        owners = self._kinds(node.value, "step")
        if not owners:
            self.unknown.add(ast.unparse(node))
        return frozenset().union(*(self._member(owner, node.attr, node, use) for owner in owners))

    def _member(self, owner: Kind, name: str, place: ast.AST, use: Use) -> Kinds:
        if owner.what == "instance":
            found = self._known[f"{owner.name}.{name}"]
            return found.union(*(self._known[f"{kind.name}->"] for kind in found if kind.what == "property"))
        if owner.what not in ("module", "class", "object"):
            return frozenset()
        if name == "__init__":
            return frozenset((owner,))
        member = name if owner == MODULE else f"{owner.name}.{name}"
        is_class = self._bindings.is_class(member)
        if use == "value" or (use == "step" and not is_class):
            self._touch(member, None, place)
        if is_class:
            return frozenset((Kind("class", member),))
        return frozenset((Kind("callable", member),)) if use == "call" else self._bindings.given_by(member)

    def _call(self, node: ast.Call) -> Kinds:
        given = [self._kinds(argument) for argument in node.args]
        named = {keyword.arg or "": self._kinds(keyword.value) for keyword in node.keywords}
        if isinstance(node.func, ast.Name) and node.func.id == "getattr":
            name = ast.literal_eval(node.args[1])
            return frozenset().union(*(self._member(owner, name, node.args[1], "value") for owner in given[0]))
        if isinstance(node.func, ast.Attribute) and node.func.attr == "__init__":
            given = given[1:]  # self
        callees = self._kinds(node.func, "call")
        return frozenset().union(*(self._given_by(callee, node, given, named) for callee in callees))

    def _given_by(self, callee: Kind, node: ast.Call, given: list[Kinds], named: Mapping[str, Kinds]) -> Kinds:
        if callee.what in ("class", "callable"):
            self._touch(callee.name, len(given), node.func)
            made = frozenset((Kind("object", callee.name),))
            return made if callee.what == "class" else self._bindings.given_by(callee.name)
        function = f"{callee.name}.__init__" if callee.what == "maker" else callee.name
        for name, kinds in (*zip(self._parameters.get(function, ()), given, strict=False), *named.items()):
            self._learn(f"{function}.{name}", kinds)
        return frozenset((Kind("instance", callee.name),)) if callee.what == "maker" else self._known[f"{function}->"]


class Renamer(ast.NodeTransformer):
    """Gives what lies at `places` of the file another name, as if the code did not touch the member any more."""

    def __init__(self, file: str, places: set[Place]) -> None:
        self._file, self._places = file, places

    def visit(self, node: ast.AST) -> ast.AST:
        """The node, renamed if it ends at one of the places."""
        self.generic_visit(node)
        if (self._file, getattr(node, "end_lineno", 0), getattr(node, "end_col_offset", 0)) in self._places:
            if isinstance(node, ast.Attribute):
                node.attr = "another"
            elif isinstance(node, ast.FunctionDef):
                node.name = "another"
            elif isinstance(node, ast.Constant):
                node.value = "another"
        return node
