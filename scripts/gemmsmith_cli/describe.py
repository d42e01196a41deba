"""``gemmsmith describe``: everything about a scheme, or a number format."""

from __future__ import annotations

import dataclasses
import inspect
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gemmsmith_cli.console import make_table, print_json, print_table
from gemmsmith_cli.errors import InputError
from gemmsmith_cli.options import Choices, Json, example, parse_choices

if TYPE_CHECKING:
    from gemmsmith.emit import BuildConfig

EXAMPLE = example("describe anda-m6", "describe int8 lanes=32 out=fp16 --json", "describe e4m3fn")


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A scheme, or a number format (gemmsmith list).")],
    choices: Choices = None,
    k: Annotated[int, typer.Option("--k", min=1, help="K for which strides and cycles are shown.")] = 4096,
    as_json: Json = False,
) -> None:
    """Show all there is to know of a scheme or a format.

    What it computes bit for bit, its operands in memory, its timing, and what can be chosen.
    """
    from gemmsmith.formats import CATALOG
    from gemmsmith.schemes import SchemeError, parse

    chosen = parse_choices(choices)
    try:
        parse(name)
    except SchemeError:
        if name not in CATALOG:
            raise
        if chosen:
            raise InputError(f"{name} is a number format and has no choices") from None
        _show_format(name, as_json=as_json)
        return
    from gemmsmith.emit import BuildConfig

    report = _describe(BuildConfig.resolve(name, chosen), k)
    if as_json:
        print_json(report)
    else:
        _show(report)


def _show_format(name: str, *, as_json: bool) -> None:
    from gemmsmith_cli.number_formats import to_dict, value_table

    described = to_dict(name)
    if as_json:
        print_json(described)
        return
    print(f"{name} ({described['canonical']}): {described['meaning']}\nsource: {described['source']}")
    if table := value_table(name):
        print(f"values, by code:\n{table}")


def _describe(config: BuildConfig, k: int) -> dict[str, Any]:
    scheme, pe = config.parsed_scheme(), config.element()
    groups = pe.groups(k)
    schedule = pe.schedule(groups=groups, mode=pe.mode, share=config.tail_share)
    return {
        "name": scheme.short, "canonical": scheme.name, "summary": scheme.summary, "source": scheme.source,
        "semantics": scheme.semantics(), "formats": _formats(scheme),
        "operands": [_operand(config, operand, groups) for operand in pe.operands],
        "output": {"format": scheme.out, "bits": scheme.out_width},
        "element": {
            "summary": inspect.getdoc(type(pe)), "group": pe.group, "modes": [pe.modes.start, pe.modes.stop - 1],
            "mode": pe.mode, "beats_per_group": pe.beats(pe.mode), "macs_per_cycle": pe.macs_per_cycle(pe.mode),
            "result": pe.result.value, "result_bits": pe.result_width * pe.result_words,
            "latency": {"edge": pe.edge_latency, "core": pe.core_latency, "tail": pe.tail_latency},
        },
        "schedule": {"k": k, "groups": groups, "warmup": schedule.warmup, "interval": schedule.interval,
                     "flush": schedule.flush, "block": schedule.block},
        "options": _options(config),
    }


def _formats(scheme: Any) -> list[str]:
    """The formats of the catalog that the scheme's names mention."""
    from gemmsmith.formats import CATALOG

    mentioned = [scheme.short, *re.split(r"[-_]", scheme.name)]
    return list(dict.fromkeys(word for word in mentioned if word in CATALOG))


def _operand(config: BuildConfig, operand: Any, groups: int) -> dict[str, Any]:
    pe = config.element()
    return {
        "name": operand.name, "axis": operand.axis.value, "part": operand.part.value, "cadence": operand.cadence.value,
        "every": operand.every, "bits": operand.width, "container_bits": operand.container,
        "words_per_row": operand.words_per_row(groups=groups, beats=pe.beats(pe.mode)),
        "stride_bytes": config.coprocessor().plan.stride(operand, groups=groups, mode=pe.mode), "holds": operand.doc,
    }


def _options(config: BuildConfig) -> list[dict[str, Any]]:
    fields = {name: field for name, field in type(config).model_fields.items() if name not in ("scheme", "options")}
    build = [{"name": name, "of": "build", "value": getattr(config, name), "meaning": field.description}
             for name, field in fields.items()]
    scheme = config.parsed_scheme()
    own = [{"name": name, "of": "scheme", "value": getattr(scheme, name), "meaning": "see the semantics"}
           for name in (field.name for field in dataclasses.fields(scheme))]
    element = [{"name": name, "of": "processing element", "value": config.options[name], "meaning": meaning}
               for name, meaning in config.element().options.items()]
    return [*own, *element, *build]


def _show(report: dict[str, Any]) -> None:
    from gemmsmith_cli.number_formats import value_table

    element, schedule, latency = report["element"], report["schedule"], report["element"]["latency"]
    print(f"{report['name']}: {report['summary']}\n"
          f"canonical name: {report['canonical']}\nsource: {report['source']}")
    print(f"\nSemantics\n\n{report['semantics']}\n\nProcessing element\n\n{element['summary']}\n")
    print(f"mode {element['mode']} of {element['modes'][0]}..{element['modes'][1]}: a group of {element['group']} "
          f"along K takes {element['beats_per_group']} beats,\n"
          f"{element['macs_per_cycle']:.4g} multiply-accumulates per core and cycle; "
          f"a result of {element['result_bits']} bits per {element['result']}\n"
          f"latency in cycles: edge {latency['edge']}, core {latency['core']}, tail {latency['tail']}\n"
          f"a block of K = {schedule['k']} takes {schedule['block']} cycles, and {schedule['flush']} more until its "
          "last output\n")
    print_table(make_table(f"Operands in memory, little-endian; bytes of a row at K = {schedule['k']}", (
        "operand", "matrix", "part", "a word per", "bits", "container", "words", "stride", "holds"), [
        (o["name"], {"row": "A", "column": "W"}[o["axis"]], o["part"], _cadence(o), o["bits"], o["container_bits"],
         o["words_per_row"], o["stride_bytes"], o["holds"]) for o in report["operands"]],
        right=("bits", "container", "words", "stride")))
    print_table(make_table("Choices (KEY=VALUE)", ("key", "value", "of the", "meaning"), [
        (o["name"], o["value"], o["of"], o["meaning"]) for o in report["options"]]))
    for name in report["formats"]:
        if table := value_table(name):
            print(f"Values of {name}, by code\n{table}\n")


def _cadence(operand: dict[str, Any]) -> str:
    every = operand["every"]
    return operand["cadence"] if every == 1 else f"{every} {operand['cadence']}s"
