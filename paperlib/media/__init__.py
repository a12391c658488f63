"""Audio and video: reading, writing, features, detection, cropping."""
