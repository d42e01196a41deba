"""The ``gemmsmith`` command: one file per verb. What a verb needs is imported when it runs, so that help is fast."""
