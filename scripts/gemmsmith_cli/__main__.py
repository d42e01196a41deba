"""``python -m gemmsmith_cli`` is ``gemmsmith``."""

import sys

from gemmsmith_cli.main import main

sys.exit(main())
