"""Networks of the paper: expression (4)-(10), semantic teacher, SyncNet, renderer (14)-(22), critic of (25)(26). They know no files."""
