"""Formats by their usual names, each with its source."""

from __future__ import annotations

from dataclasses import dataclass

from gemmsmith.formats.anda import AndaFormat
from gemmsmith.formats.base import Format
from gemmsmith.formats.grouped import GroupedScale
from gemmsmith.formats.integers import IntFormat
from gemmsmith.formats.standard import (
    BF16,
    E2M1,
    E2M3,
    E3M2,
    E4M3FN,
    E5M2,
    E8M0,
    FP16,
    FP32,
    INT4,
    INT8_SYMMETRIC,
    POSIT4_1,
    POSIT8_0,
    POSIT8_2,
    POSIT16_1,
    POSIT16_2,
    POSIT32_2,
)

IEEE = "IEEE 754-2019"
OCP_FP8 = "OCP 8-bit Floating Point Specification 1.0 (2023)"
OCP_MX = "OCP Microscaling Formats Specification 1.0 (2023)"
TWOS_COMPLEMENT = "two's complement"
BINARY = "unsigned binary"
GROUPED_WEIGHTS = "usual for 4-bit weights: GPTQ, arXiv 2210.17323; AWQ, arXiv 2306.00978"
XR_NPE = "XR-NPE, arXiv 2508.13049; posits with es by width as in the drafts before the standard"
POSIT = "Standard for Posit Arithmetic (2022)"
ANDA = "Anda, HPCA 2025, arXiv 2411.15982"


@dataclass(frozen=True)
class Entry:
    """A format and where its definition comes from."""

    format: Format | GroupedScale | AndaFormat
    source: str


CATALOG: dict[str, Entry] = {
    "fp32": Entry(FP32, f"{IEEE}, binary32"),
    "fp16": Entry(FP16, f"{IEEE}, binary16"),
    "bf16": Entry(BF16, "the upper half of binary32; BFLOAT16 Hardware Numerics Definition, Intel 2018"),
    "e5m2": Entry(E5M2, OCP_FP8),
    "e4m3fn": Entry(E4M3FN, OCP_FP8),
    "e3m2": Entry(E3M2, OCP_MX),
    "e2m3": Entry(E2M3, OCP_MX),
    "e2m1": Entry(E2M1, OCP_MX),
    "e8m0": Entry(E8M0, OCP_MX),
    **{f"int{width}": Entry(IntFormat(width=width), TWOS_COMPLEMENT) for width in range(2, 9)},
    **{f"uint{width}": Entry(IntFormat(width=width, signed=False), BINARY) for width in range(1, 9)},
    "int8sym": Entry(INT8_SYMMETRIC, f"{TWOS_COMPLEMENT} without −128"),
    "int4-g128": Entry(GroupedScale(element=INT4, group=128, scale=FP16), GROUPED_WEIGHTS),
    "mxfp4": Entry(GroupedScale(element=E2M1, group=32, scale=E8M0), OCP_MX),
    **{fmt.name: Entry(fmt, XR_NPE) for fmt in (POSIT4_1, POSIT8_0, POSIT16_1)},
    **{fmt.name: Entry(fmt, POSIT) for fmt in (POSIT8_2, POSIT16_2, POSIT32_2)},
    **{f"anda-m{m}": Entry(AndaFormat(mantissa=m), ANDA) for m in range(1, 17)},
}
"""Short name → format and source."""
