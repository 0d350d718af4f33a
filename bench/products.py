"""What a core can at best multiply and read, measured: the limits of dense layers.

A dense layer is no faster than its weights are read once, and no faster than its products are
made by vector instructions that wait for nothing. Those are written in LLVM's own language: no
compiler of ours stands between the figure and the processor.
"""

import ctypes
import time
from collections.abc import Callable
from functools import cache

import numpy as np
from llvmlite import binding

__all__ = ["byte_products", "products_per_ns", "read_gb_s"]

CHAINS = 16  # sums side by side: more than an instruction's latency times those begun at once
SAMPLES, ROUNDS = 30, 20_000  # so short that a busy neighbour leaves some of them alone
LOOP = """
declare {kind} @{name}({kind}, {kind}, {kind})
define void @spin(i64 %rounds, ptr %out) {{
entry:
  %a = load {kind}, ptr %out, align 1
  br label %loop
loop:
  %n = phi i64 [ 0, %entry ], [ %next, %loop ]
{begin}
{add}
  %next = add i64 %n, 1
  %more = icmp ult i64 %next, %rounds
  br i1 %more, label %loop, label %end
end:
{keep}
  ret void
}}
"""


def byte_products() -> bool:
    """Whether the CPU makes 64 products of bytes an instruction (AVX-512 VNNI)."""
    return bool(binding.get_host_cpu_features().get("avx512vnni"))


@cache
def products_per_ns(*, of_bytes: bool) -> float:
    """Products a nanosecond of one core: of unsigned and signed bytes, or of float32.

    Raises:
        RuntimeError: The CPU has no instruction of 512 bits for them.
    """
    feature = "avx512vnni" if of_bytes else "avx512f"
    if not binding.get_host_cpu_features().get(feature):
        raise RuntimeError(f"this CPU has no {feature}")
    name, kind, order, products = (
        ("llvm.x86.avx512.vpdpbusd.512", "<16 x i32>", "{k} %s{i}, {k} %a, {k} %a", 64)
        if of_bytes
        else ("llvm.fma.v16f32", "<16 x float>", "{k} %a, {k} %a, {k} %s{i}", 16)
    )
    chains = range(CHAINS)
    text = LOOP.format(
        kind=kind,
        name=name,
        begin="\n".join(f"  %s{i} = phi {kind} [ %a, %entry ], [ %t{i}, %loop ]" for i in chains),
        add="\n".join(
            f"  %t{i} = call {kind} @{name}({order.format(k=kind, i=i)})" for i in chains
        ),
        keep="\n".join(f"  store volatile {kind} %t{i}, ptr %out, align 1" for i in chains),
    )
    out = np.zeros(64, np.uint8)
    spin, _engine = _compiled(text)
    return CHAINS * ROUNDS * products / (1e9 * _least(lambda: spin(ROUNDS, out.ctypes.data)))


@cache
def read_gb_s(size: int) -> float:
    """Gigabytes a second that one core reads of `size` bytes, over and over."""
    data = np.ones(size // 8, np.int64)  # written: of zeros all pages would be one
    return data.nbytes / (1e9 * _least(lambda: np.bitwise_xor.reduce(data)))


def _compiled(text: str) -> tuple[Callable[[int, int], None], binding.ExecutionEngine]:
    """`spin` of an LLVM module, and what must outlive it."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    machine = binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=2,
    )
    engine = binding.create_mcjit_compiler(binding.parse_assembly(text), machine)
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_void_p)
    return kind(engine.get_function_address("spin")), engine


def _least(call: Callable[[], object]) -> float:
    """Seconds of processor time of the quickest of several calls."""
    samples = []
    for _ in range(SAMPLES):
        begun = time.process_time()
        call()
        samples.append(time.process_time() - begun)
    return min(samples)
