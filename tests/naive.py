"""What the kernels compute, by definition: slow, obvious and never optimised."""

__all__: list[str] = []
