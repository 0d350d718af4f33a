"""What import-linter cannot see: what is loaded at run time, and what modules promise."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = [ROOT / folder for folder in ("agent", "kernels", "export")]
MODULES = sorted(file for folder in SOURCES for file in folder.rglob("*.py"))
HEAVY = ("torch", "sklearn", "pandas", "pyarrow", "onnx", "edge_export")


def name_of(file: Path) -> str:
    [folder] = [folder for folder in SOURCES if folder in file.parents]
    parts = file.relative_to(folder).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def test_the_gateway_loads_nothing_that_it_need_not_have() -> None:
    code = f"import sys, edge_anomaly.cli; print(*(m for m in {HEAVY} if m in sys.modules))"
    path = os.pathsep.join(map(str, SOURCES))
    out = subprocess.run(
        [sys.executable, "-c", code],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert out.stdout == "\n"


def defined(file: Path) -> tuple[set[str], set[str], list[str] | None]:
    """Public functions and classes, every name that is bound, and `__all__`."""
    public, bound, promised = set(), set(), None
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            bound.add(node.name)
            if not node.name.startswith("_"):
                public.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found = [leaf for target in targets for leaf in ast.walk(target)]
            names = {leaf.id for leaf in found if isinstance(leaf, ast.Name)}
            bound |= names
            if "__all__" in names and node.value is not None:
                promised = ast.literal_eval(node.value)
    return public, bound, promised


@pytest.mark.parametrize("file", MODULES, ids=name_of)
def test_all_is_complete(file: Path) -> None:
    public, bound, promised = defined(file)
    if promised is None:
        assert not public, "no __all__"
        return
    assert len(promised) == len(set(promised))
    assert set(promised) <= bound, "__all__ names what is not there"
    assert public <= set(promised), "__all__ lacks what is public"


@pytest.mark.parametrize(
    "file", [file for file in MODULES if SOURCES[2] not in file.parents], ids=name_of
)
def test_every_module_of_the_gateway_can_be_imported_alone(file: Path) -> None:
    if file.name != "__main__.py":
        assert importlib.import_module(name_of(file)).__doc__
