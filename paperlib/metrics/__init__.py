"""Metrics: what is measured, with which region, units and failures. Every one has a protocol card in `protocol`."""
