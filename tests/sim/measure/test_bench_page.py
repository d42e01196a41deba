"""The report of a benchmark: its tables, charts, Markdown, and a page that holds all of it and nothing hostile."""

import itertools
import json
import re
from html.parser import HTMLParser

import pytest
from bench_records import bench, fpga, path, row, units

from gemmsmith_sim.measure.bench import Bench
from gemmsmith_sim.measure.bench.page import markdown
from gemmsmith_sim.measure.bench.page.groups import Group, front, groups
from gemmsmith_sim.measure.bench.page.inside import modules, path_runs, path_shares, spent
from gemmsmith_sim.measure.bench.page.ratios import glance_table, ratio_table
from gemmsmith_sim.measure.bench.page.tables import accuracy_table, figures_table
from gemmsmith_sim.measure.bench.page.text import figure, ratio

vl_convert = pytest.importorskip("vl_convert")
drawing = pytest.importorskip("gemmsmith_sim.measure.bench.page.charts")
charts, sentences = drawing.charts, drawing.sentences
html = pytest.importorskip("gemmsmith_sim.measure.bench.page.html").html


def group_of(record: Bench) -> Group:
    [group] = groups(record)
    return group


def only(**fields):
    [one] = bench([row("fp16", **fields)]).rows
    return one


def column(table, title, unit=None):
    index = next(i for i, head in enumerate(table.heads) if head.title == title and unit in (None, head.unit))
    return [cells[index].text for cells in table.rows]


@pytest.mark.parametrize(("value", "text"), [
    (0, "0"), (12345, "12345"), (1234.6, "1235"), (812.34, "812"), (91.23, "91.2"), (9.137, "9.14"), (0.3104, "0.310"),
    (0.00123, "0.00123"), (4.88e-5, "4.88e-5"), (0.0, "0"), (-2.5, "-2.50"), (None, "–")])
def test_figures_have_three_digits_that_count(value, text):
    assert figure(value) == text


@pytest.mark.parametrize(("value", "text"), [
    (1.0, "1.00×"), (0.0383, "0.038×"), (0.31, "0.310×"), (28.57, "28.6×"), (611.2, "611×"), (0.0012, "0.00120×")])
def test_ratios(value, text):
    assert ratio(value) == text


def test_front_keeps_what_nothing_beats():
    assert front([(1, 5), (2, 2), (3, 3), (5, 1), (2, 2)]) == [0, 1, 3, 4]
    assert front([(1, 5, 0), (2, 5, -1)]) == [0, 1]
    assert front([]) == []


def test_ratios_stand_by_unit_and_target():
    record = bench([*units(), *units(target="asic:toy", variant="area", energies=True)])
    table = ratio_table(record, groups(record))
    assert table.overs == [("", 1), ("accuracy", 2), ("ecp5 no-dsp", 2), ("toy area", 3)]
    assert [head.title for head in table.heads] == [
        "unit", "RMS error", "perplexity", "area", "time", "area", "time", "energy"]
    assert [cell.text for cell in table.rows[1]] == [
        "int8", "20.0×", "4.700", "0.500×", "0.250×", "0.500×", "0.250×", "0.400×"]
    assert [cell.tone for cell in table.rows[0][1:]] == [""] * 7  # the baseline itself
    assert [cell.tone for cell in table.rows[1][1:4]] == ["worse", "", "better"]


def test_no_baseline_no_ratios():
    record = bench([row("fp16", relative={})], baseline=None)
    table = ratio_table(record, groups(record))
    assert [head.title for head in table.heads] == ["unit", "perplexity"]
    assert glance_table(record, groups(record)) is None
    assert "No baseline" in markdown(record)
    assert "No baseline" in html(record)


def test_least_cost_of_all_and_at_the_accuracy_of_the_baseline():
    record = bench([*units(), row("anda-m12", rms=5e-4, area=0.7, time=0.8)])
    table = glance_table(record, groups(record))
    assert [[cell.text for cell in cells] for cells in table.rows] == [
        ["ecp5 no-dsp", "area", "int8", "0.500×", "20.0×", "anda-m12", "0.700×"],
        ["ecp5 no-dsp", "time", "int8", "0.250×", "20.0×", "anda-m12", "0.800×"]]


def test_figures_of_a_group():
    table = figures_table(group_of(bench(units())))
    shown = [(head.title, head.unit) for head in table.heads if not head.detail]
    assert shown == [
        ("unit", ""), ("MACs", "per cycle"), ("area", "eq"), ("area per throughput", "eq per MAC/cycle"),
        ("Fmax", "MHz, median"), ("throughput", "GMAC/s"), ("throughput per area", "MMAC/s per eq"),
        ("RMS error", "relative"), ("perplexity", "")]
    assert column(table, "area") == ["1000", "2000"]
    assert column(table, "area per throughput") == ["1000", "500"]
    assert column(table, "throughput") == ["0.0500", "0.200"]
    assert column(table, "throughput per area") == ["0.0500", "0.100"]
    assert column(table, "options") == ["lanes=16"] * 2
    assert "before layout; Fmax after place and route" in table.caption


def test_area_is_not_compared_where_dsp_blocks_work():
    record = bench([row("int8", counts=fpga(dsps=2)), row("fp16")])
    table = figures_table(group_of(record))
    assert column(table, "DSP") == ["2", "–"]
    assert column(table, "area per throughput") == ["–", "1000"]
    drawn = charts(group_of(record))
    assert [chart.title for chart in drawn if "int8" in json.dumps(chart.spec)] == ["Clock frequency"]
    assert any("Left out of the charts of area: int8" in sentence for sentence in sentences(group_of(record)))
    assert "Not shown, since a figure is missing or zero: int8." in drawn[0].caption


def test_charts_follow_what_was_measured():
    def titles(rows):
        return [chart.title for chart in charts(group_of(bench(rows)))]

    scatters = ["Area and throughput", "What accuracy costs: area"]
    assert titles(units()) == [*scatters, "Clock frequency"]
    asic = units(target="asic:toy", variant="speed", energies=True)
    assert titles(asic) == [*scatters, "What accuracy costs: energy", "Where the energy goes"]
    bare = [row("fp16", fmax=None, rms=None)]
    assert titles(bare) == ["Area and throughput"]
    assert [sentence.split(":")[0].split(" here")[0] for sentence in sentences(group_of(bench(bare)))] == [
        "No frequency was measured", "No energy was measured", "No error was measured"]
    assert titles([row("fp16", counts=None, eq=None, fmax=None)]) == []


def test_every_chart_compiles():
    drawn = [chart for rows in (units(), units(target="asic:toy", variant="area", energies=True))
             for chart in charts(group_of(bench(rows)))]
    assert len(drawn) == 7
    for chart in drawn:
        svg = vl_convert.vegalite_to_svg(chart.spec)
        assert "int8" in svg
        assert "int8" in chart.summary


def test_the_front_is_drawn():
    extra = row("bad", rms=2e-2, eq=3000, area=3.0)
    [_, chart, _] = charts(group_of(bench([*units(), extra])))
    line, points = ([value["unit"] for value in layer_values(chart.spec, name)] for name in ("front", "points"))
    assert points == ["fp16", "int8", "bad"]
    assert line == ["fp16", "int8"]


def layer_values(spec, name):
    layer = next(layer for layer in spec["layer"] if layer.get("name") == name)
    return spec["datasets"][layer["data"]["name"]] if "name" in layer["data"] else layer["data"]["values"]


def test_energy_with_and_without_glitches():
    rows = units(target="asic:toy", variant="area", energies=True)
    chart = charts(group_of(bench(rows)))[-1]
    assert "with glitches; the tick is the figure without them" in chart.caption
    assert "Without glitches only: int8" in chart.caption
    assert "fp16 1500, int8 600." in chart.summary


def test_a_path_is_cut_where_it_enters_another_module():
    carry = [{**step, "kind": kind} for step, kind in zip(path("q", "q", "q"), ("routing", "logic", "routing"),
                                                          strict=True)]
    runs = path_runs(only(critical_path=[*path("a.x", "a.y[3]", "b.c.z", "a.w"), *carry]))
    assert [(run.bar.name, [step.bar.name for step in run.steps]) for run in runs] == [
        ("a", ["a.x", "a.y[3]"]), ("b.c", ["b.c.z"]), ("a", ["a.w"]), ("top", ["q"])]
    assert sum(run.bar.share for run in runs) == pytest.approx(1)
    [chain] = runs[-1].steps
    assert (chain.steps, chain.logic, chain.routing, chain.bar.value) == (3, 0.5, 1.0, 1.5)
    shares = path_shares(only(critical_path=path("a.x", "a.y[3]", "b.c.z")))
    assert [(bar.name, round(bar.share, 3)) for bar in shares] == [("a", 0.667), ("b.c", 0.333)]


def test_small_modules_are_summed_up():
    tree = {"name": "top", "cells": 10, "total": 1000, "children": [
        {"name": "tiny", "instance": "t0", "cells": 4, "total": 4},
        {"name": "big", "instance": "b", "cells": 980, "total": 980},
        {"name": "tiny", "instance": "t1", "cells": 6, "total": 6}]}
    bars = modules(only(modules=tree).modules)
    assert [(bar.name, bar.value, bar.depth) for bar in bars] == [
        ("top", 1000, 0), ("b: big", 980, 1), ("2 smaller modules", 10, 1)]
    assert [(bar.name, bar.value) for bar in spent({"x": 1.0, "y": 990.0, "z": 9.0})] == [
        ("y", 990.0), ("2 smaller modules", 10.0)]


def test_accuracy_is_listed_once_for_each_scheme():
    record = bench([*units(), *units(target="asic:toy", variant="area")])
    assert column(accuracy_table(record), "unit") == ["fp16", "int8"]
    assert accuracy_table(bench([row("fp16", rms=None, perplexity=None)])) is None


class Page(HTMLParser):
    """The page's text and tags, scripts and styles apart."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.text, self.inside, self.scripts = [], "", "", []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        self.inside = ""

    def handle_data(self, data):
        if self.inside == "script":
            self.scripts[-1] += data
        elif self.inside != "style":
            self.text += data

    def named(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


HOSTILE = "<script>alert(1)</script>|`x`\"'&--><b>"


def test_the_page_holds_everything():
    record = bench([*units(), row("sick", failures=["seed 2: no sites left"]),
                    *units(target="asic:toy", variant="area", energies=True)])
    page = Page(html(record))
    for text in ("Against the baseline", "Lattice ECP5, no DSP blocks: core", "ASIC, toy, mapped for area: core",
                 "seed 2: no sites left", "synth_ecp5 -top TOP", "before layout", "toy-yosys"):
        assert text in page.text, text
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    drawn = [attributes for attributes in page.named("div") if attributes.get("class") == "chart"]
    assert len(drawn) == 7
    assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in drawn)
    assert len(page.named("caption")) == len(page.named("table"))


def test_the_page_reaches_for_nothing():
    page = Page(html(bench(units())))
    assert not page.named("link") + page.named("img") + page.named("iframe")
    assert all("src" not in attributes for attributes in page.named("script"))
    assert all(attributes["href"].startswith("#") for attributes in page.named("a"))
    [policy] = [attributes["content"] for attributes in page.named("meta") if "http-equiv" in attributes]
    assert policy.startswith("default-src 'none';")
    assert "http" not in policy


def test_equal_records_give_equal_pages():
    rows = [*units(), *units(target="asic:toy", variant="area", energies=True)]
    text = bench(rows).to_json()
    first, second = (Bench.model_validate_json(text) for _ in range(2))
    assert html(first) == html(second)
    assert markdown(first) == markdown(second)
    assert len(html(first)) < 5_000_000


def test_hostile_names_stay_text():
    record = bench([*units(), row(HOSTILE, failures=[HOSTILE], critical_path=path(f"{HOSTILE}.x"),
                                  modules={"name": HOSTILE, "cells": 1, "total": 1})], note=HOSTILE)
    plain, page = Page(html(bench([*units(), row("nice", failures=["x"], critical_path=path("x.x"),
                                                 modules={"name": "x", "cells": 1, "total": 1})]))), Page(html(record))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert page.text.count(HOSTILE) >= 5
    specs = [json.loads(script) for script in page.scripts if script.startswith("{") and "$schema" in script]
    assert len(specs) == 3
    assert any(HOSTILE in json.dumps(spec, ensure_ascii=False).replace('\\"', '"') for spec in specs)


def test_a_row_without_figures():
    record = bench([row("bare", target="tpu9", variant="odd", counts=None, eq=None, fmax=None, rms=None,
                        perplexity=None, relative={})])
    text = markdown(record)
    assert "No ratios." in text
    assert "| bare | 1.00 |" in text
    assert "tpu9, odd: core" in Page(html(record)).text


def test_a_run_without_rows():
    record = bench([])
    assert "0 measurements of 0 units" in Page(html(record)).text
    assert markdown(record).startswith("# gemmsmith benchmark\n\n## How the figures were made\n")


def test_markdown_puts_ratios_first():
    text = markdown(bench([*units(), row("sick", failures=["seed 2: no sites left"])]))
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == ["# gemmsmith benchmark", "## Against fp16: core", "## Lattice ECP5, no DSP blocks: core",
                        "## Accuracy", "## What could not be measured", "## How the figures were made"]
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert tables[0][0] == ("| unit | accuracy: RMS error | accuracy: perplexity | ecp5 no-dsp: area "
                            "| ecp5 no-dsp: time |")
    for lines in tables:
        assert len({line.count("|") for line in lines}) == 1
    assert "- sick, Lattice ECP5, no DSP blocks: core: seed 2: no sites left" in text
    assert "    synth_ecp5 -top TOP" in text


def test_hostile_names_stay_text_in_markdown():
    text = markdown(bench([row(f"{HOSTILE}\n# x"), row("fp16")], note=HOSTILE))
    assert "\n# x" not in text
    assert not re.search(r"(?<!\\)[<`]", text)
    tables = [block.splitlines() for block in text.split("\n\n") if block.startswith("|")]
    assert len(tables) == 4  # ratios, the least, figures, accuracy
    for lines in tables:
        assert len({re.sub(r"\\.", "", line).count("|") for line in lines}) == 1
