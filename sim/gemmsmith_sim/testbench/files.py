"""The ``tb/`` directory of a build."""

from __future__ import annotations

from gemmsmith.emit import BuildConfig
from gemmsmith_sim.testbench.coprocessor import coprocessor_bench
from gemmsmith_sim.testbench.streams import stream_bench
from gemmsmith_sim.testbench.text import fill


def testbench_files(config: BuildConfig, *, seed: int = 0) -> dict[str, str]:  # noqa: PT028 (no test)
    """A self-checking test bench in Verilog-2005 for a build: path → text, all paths under ``tb/``.

    ``tb/<name>_tb.v`` with its vectors (``.hex``, together at most 150 KB for arrays up to 64 × 64), a
    ``Makefile`` and a ``README.md``. It expects the design in ``rtl/<name>.v`` beside ``tb/``. Equal ``config``
    and ``seed`` give equal texts. A build of ``level=engine``, ``core`` or ``tail`` has no buses to drive: no files.
    """
    if config.level in ("engine", "core", "tail"):
        return {}
    bench = coprocessor_bench(config, seed) if config.level == "coprocessor" else stream_bench(config, seed)
    common = {"NAME": config.name, "SCHEME": config.scheme, "SEED": str(seed), **bench.values}
    files = {f"{config.name}_tb.v": fill(bench.template, common),
             **{f"{config.name}_{name}.hex": text for name, text in bench.vectors.items()},
             "Makefile": fill("Makefile", common)}
    listed = {f"{config.name}_tb.v": "the bench", "Makefile": "see above",
              **{f"{config.name}_{name}.hex": doc for name, doc in bench.docs.items()}}
    files["README.md"] = fill("README.md", {
        **common, "WHAT": bench.what, "FILES": "\n".join(f"- `{path}`: {doc}" for path, doc in listed.items())})
    return {f"tb/{path}": text for path, text in files.items()}
