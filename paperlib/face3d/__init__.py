"""The morphable model, its camera, light, rasteriser and fitting."""
