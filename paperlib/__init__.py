"""Reproducible companion to "Speaker-Independent Visual Dubbing Method Based on Semantic Enhancement and Texture-Motion Fusion".

Importing the package loads torch and numpy and nothing heavier; every other dependency is imported inside the function
that needs it, so that training runs where pytorch3d, anny, librosa and face-alignment are absent.
"""

__version__ = "0.1.0"
