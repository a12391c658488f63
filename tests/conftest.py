"""Settings of the unit tests; the root conftest.py holds what nbval needs too."""

collect_ignore_glob = ["data/*"]  # toy notebooks: sources to convert, not modules to import
