"""Training, and the way from recordings to the bundle that the agent runs."""

__all__: list[str] = []
