import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator

from numba.core.registry import CPUDispatcher

import edge_kernels
from edge_kernels.arguments import SERIES, Entry


def entries() -> Iterator[tuple[str, CPUDispatcher]]:
    """Every kernel that plain Python calls, by name."""
    for module_info in pkgutil.iter_modules(edge_kernels.__path__, "edge_kernels."):
        module = importlib.import_module(module_info.name)
        for function in ast.walk(ast.parse(inspect.getsource(module))):
            if isinstance(function, ast.FunctionDef) and not function.decorator_list:
                for call in ast.walk(function):
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                        kernel = getattr(module, call.func.id, None)
                        if isinstance(kernel, CPUDispatcher):
                            yield f"{module.__name__}.{call.func.id}", kernel
        for name, entry in vars(module).items():
            if isinstance(entry, Entry):
                yield f"{module.__name__}.{name}", entry.kernel


def test_no_kernel_is_left_cold() -> None:
    edge_kernels.warm()
    kernels = dict(entries())
    assert "edge_kernels.dtw_pair.PAIR" in kernels  # or nothing was found at all
    assert [name for name, kernel in kernels.items() if not kernel.signatures] == []


def test_both_precisions_are_warm() -> None:
    edge_kernels.warm()
    for name, kernel in entries():
        if "dtw" in name and (SERIES,) not in [s[:1] for s in kernel.signatures]:
            assert "float32" in str(kernel.signatures), name
            assert "float64" in str(kernel.signatures), name
