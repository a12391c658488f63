"""Five baselines of tables 1 and 2, each reduced to its defining idea ("-mini"), behind one interface (`baselines.interface`)."""
