EXAMPLE = ""


def command() -> None:
    """Stub."""
