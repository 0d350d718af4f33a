"""The page: words, tables and charts put into one HTML file."""

from collections.abc import Iterator
from importlib.resources import files

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape

from edge_export.report.charts_data import human_time
from edge_export.report.material import Material
from edge_export.report.parts import Fact
from edge_export.report.sections import sections

__all__ = ["render"]


def render(material: Material) -> str:
    """The whole report as HTML, with nothing to load from elsewhere."""
    manifest = material.manifest
    here = files("edge_export.report")
    pages = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    pages.filters["code"] = _code
    page = pages.from_string(here.joinpath("page.html.j2").read_text("utf-8"))
    said = manifest.provenance
    return page.render(
        title=f"{manifest.name} {manifest.version}",
        subtitle=f"{manifest.family}, made {said.created} from data {said.data_sha256[:12]}, "
        f"seed {said.seed}" + (f"; bundle {material.sha256[:12]}" if material.sha256 else ""),
        style=here.joinpath("page.css").read_text("utf-8"),
        facts=list(_facts(material)),
        sections=list(sections(material)),
        footer=f"{said.command or 'edge-export report'}. Times are UTC. "
        f"{', '.join(f'{name} {version}' for name, version in said.versions.items())}",
    )


def _code(text: str) -> Markup:
    """Text with what stands between backticks set as code."""
    parts = [str(escape(part)) for part in text.split("`")]
    return Markup("".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts)))  # noqa: S704 - every part is escaped


def _facts(material: Material) -> Iterator[Fact]:
    manifest = material.manifest
    rule = manifest.threshold
    yield Fact(str(len(manifest.devices)), "machines")
    yield Fact(str(len(manifest.signals)), "signals")
    yield Fact(human_time(manifest.period_ns), "between readings")
    yield Fact(
        " + ".join(sorted({str(branch.window) for branch in manifest.branches}, key=int)),
        "slots looked at",
    )
    yield Fact(f"{rule.rule} {rule.parameter:g}", "threshold rule")
    found = material.evaluation
    if found is not None:
        yield Fact(f"{found.mean(found.family, 'vus_pr'):.2f}", "VUS-PR")
        yield Fact(f"{found.mean(found.family, 'event_f1'):.2f}", "event F1")
        yield Fact(f"{found.mean(found.family, 'false_alarms_per_day'):.2f}", "false alarms a day")
