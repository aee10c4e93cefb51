"""The derivative rules in a package's source, found without running it."""

import ast
import importlib.util
from collections.abc import Iterable, Iterator
from pathlib import Path

from softjax.audit.record import INSTALLED, Scope, is_test
from softjax.audit.saved import Rule

DECORATORS = {
    "custom_jvp": "custom_jvp",
    "custom_vjp": "custom_vjp",
    "filter_custom_jvp": "custom_jvp",  # equinox's
    "filter_custom_vjp": "custom_vjp",
    "custom_gradient": "custom_vjp",
}


def list_rules(scope: Scope) -> list[Rule]:
    """The rules that the files of a scope define, by place. Files that are not Python are left out."""
    found = []
    for file, module in _list_files(scope):
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError, OSError):
            continue
        found += [
            Rule(kind, f"{module}.{name}", str(file), line)
            for kind, name, line in _find_rules(tree)
            if not is_test(str(file), module)
        ]
    return sorted(found, key=lambda rule: (rule.file, rule.line))


def _list_files(scope: Scope) -> Iterator[tuple[Path, str]]:
    """The files, and the names of their modules."""
    if not scope.packages:
        for file in _walk(scope.root):
            yield file, _name_module(file)
        return
    for package in scope.packages:
        spec = importlib.util.find_spec(package)
        if spec is None:
            continue
        for folder in spec.submodule_search_locations or ():
            for file in sorted(Path(folder).rglob("*.py")):
                parts = file.relative_to(folder).with_suffix("").parts
                yield file, ".".join([package, *(part for part in parts if part != "__init__")])
        if spec.submodule_search_locations is None and spec.origin:
            yield Path(spec.origin), package


def _walk(folder: Path) -> Iterator[Path]:
    """The Python files below a folder that are no tests, not hidden and not installed."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.is_symlink():
            continue
        if path.is_dir():
            if path.name not in INSTALLED and not (path / "pyvenv.cfg").exists():
                yield from _walk(path)
        elif path.suffix == ".py":
            yield path


def _name_module(file: Path) -> str:
    """The name by which a file is imported: from the outermost folder with an `__init__.py`."""
    parts = [] if file.stem == "__init__" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)


def _find_rules(tree: ast.Module) -> Iterator[tuple[str, str, int]]:
    """Kind, qualified name and line of each rule."""
    functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}

    def visit(body: Iterable[ast.AST], inside: str) -> Iterator[tuple[str, str, int]]:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                kind = next(filter(None, map(_find_kind, node.decorator_list)), None)
                if kind:
                    yield kind, inside + node.name, min(d.lineno for d in node.decorator_list)
                yield from visit(node.body, f"{inside}{node.name}.<locals>.")
            elif isinstance(node, ast.ClassDef):
                if any(_is_function_class(base) for base in node.bases):
                    forward = [each for each in node.body if getattr(each, "name", "") == "forward"]
                    yield (
                        "autograd.Function",
                        inside + node.name,
                        _first_line(forward[0]) if forward else node.lineno,
                    )
                yield from visit(node.body, f"{inside}{node.name}.")
            elif isinstance(node, ast.Assign):
                call = _find_call(node.value)
                if call is not None and call.args:
                    named = functions.get(getattr(call.args[0], "id", ""))
                    name = named.name if named else ast.unparse(node.targets[0])
                    yield str(_find_kind(call.func)), inside + name, _first_line(named or call.args[0])
            else:
                yield from visit(ast.iter_child_nodes(node), inside)

    yield from visit(tree.body, "")


def _first_line(node: ast.expr | ast.stmt) -> int:
    """The line that Python takes for the first of a function: that of its first decorator."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min(each.lineno for each in (node, *decorators))


def _find_kind(node: ast.AST) -> str | None:
    """custom_jvp or custom_vjp if a decorator makes one: by its name, called, or as the function of a partial."""
    name = getattr(node, "attr", getattr(node, "id", None))
    if name in DECORATORS:
        return DECORATORS[str(name)]
    if isinstance(node, ast.Call):
        return _find_kind(node.func) or next(filter(None, map(_find_kind, node.args[:1])), None)
    return None


def _find_call(node: ast.AST) -> ast.Call | None:
    """The call of custom_jvp or custom_vjp in an expression."""
    calls = (each for each in ast.walk(node) if isinstance(each, ast.Call))
    return next(
        (call for call in calls if getattr(call.func, "attr", getattr(call.func, "id", "")) in DECORATORS),
        None,
    )


def _is_function_class(base: ast.AST) -> bool:
    if isinstance(base, ast.Attribute):
        return (base.attr == "Function" and "autograd" in ast.unparse(base)) or ast.unparse(
            base
        ) == "Function"
    return isinstance(base, ast.Name) and base.id in ("Function", "AutogradFunction")
