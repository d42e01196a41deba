"""Verilog and everything that goes with it."""

from gemmsmith.emit.config import BuildConfig, ConfigError
from gemmsmith.emit.package import PackageError, check_writable, emit_build, load_build, write_build
from gemmsmith.emit.verilog import Emitted, emit

__all__ = ["BuildConfig", "ConfigError", "Emitted", "PackageError", "check_writable", "emit", "emit_build",
           "load_build",
           "write_build"]
