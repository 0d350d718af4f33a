"""The ONNX that graphs are written in: what ONNX Runtime has read since 1.17."""

__all__ = ["IR_VERSION", "OPSET"]

OPSET, IR_VERSION = 20, 10  # onnx's own defaults are newer than what runtimes load
