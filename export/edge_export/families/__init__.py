"""The model families, one file each."""

__all__: list[str] = []
