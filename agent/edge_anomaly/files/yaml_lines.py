"""Where in a YAML file a key stands: what turns `$.broker.port` into a line."""

import re
from collections.abc import Iterator, Sequence

import yaml

__all__ = ["Lines", "written"]

_AT = re.compile(r"^(?P<what>.*?)(?: - at (?:`key` in )?`\$(?P<path>.*?)`)?$", re.DOTALL)
_FIELD = re.compile(r"(?:unknown|required) field `(?P<name>[^`]+)`")
# A member of a free mapping is `[...]` and names nothing.
_STEP = re.compile(r"\.(?P<key>[^.\[\]]+)|\[(?P<index>\d+)\]")


class Lines:
    """The node tree of one file."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._root = root

    def line(self, path: Sequence[str | int]) -> int:
        """1-based line of the key at `path`, or of the nearest one above it that is there."""
        line, node = 1, self._root
        for step in path:
            if isinstance(node, yaml.MappingNode):
                pairs = [(k, v) for k, v in node.value if k.value == step]
                if not pairs:
                    break
                line, node = pairs[-1][0].start_mark.line + 1, pairs[-1][1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
                if step >= len(node.value):
                    break
                node = node.value[step]
                line = node.start_mark.line + 1
            else:
                break
        return line

    def locate(self, error: str) -> tuple[int, str, str]:
        """Line, key and complaint of a msgspec error: `<what> - at `$.path``."""
        found = _AT.match(error)
        what, path_text = (found["what"], found["path"] or "") if found else (error, "")
        path: list[str | int] = [
            step["key"] or int(step["index"]) for step in _STEP.finditer(path_text)
        ]
        field = _FIELD.search(what)
        if field:
            path.append(field["name"])
        return self.line(path), written(path) or "file", what

    def repeated(self) -> Iterator[tuple[int, str]]:
        """Line and name of every key that its mapping already has."""
        yield from _repeated(self._root)


def written(path: Sequence[str | int]) -> str:
    """A path as a person writes it: models[0].devices."""
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).lstrip(".")


def _repeated(node: yaml.Node | None) -> Iterator[tuple[int, str]]:
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if isinstance(key, yaml.ScalarNode):  # others are no key of ours
                if key.value in seen:
                    yield key.start_mark.line + 1, str(key.value)
                seen.add(key.value)
            yield from _repeated(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _repeated(value)
