"""Measurements of the tests go to a cache of their own, shared by all tests of a session."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEMMSMITH_CACHE", str(directory))
        yield directory


@pytest.fixture
def source(tmp_path):
    """Write a design to a file: ``source("unit.v", text)``."""

    def write(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def mac(source):
    """A multiply-accumulate unit, 3 × 3 bits, with everything registered."""
    return source(
        "mac.v",
        """
        module mac(input clk, rst, input signed [2:0] a, b, output reg signed [7:0] acc);
            reg signed [2:0] ra = 0, rb = 0;
            initial acc = 0;
            always @(posedge clk) begin
                ra <= rst ? 3'sd0 : a;
                rb <= rst ? 3'sd0 : b;
                acc <= rst ? 8'sd0 : acc + ra * rb;
            end
        endmodule
        """,
    )
