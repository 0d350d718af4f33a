"""Compiled kernels behind checked functions; imports nothing else of ours."""

__all__: list[str] = []
