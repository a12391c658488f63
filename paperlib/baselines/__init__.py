"""Five baselines of tables 1 and 2, each reduced to its defining idea ("-mini"), behind one interface and with one training.

interface: what every system is given, learns from and returns; `dub`. training: `train_baseline`. systems: the five by name. run: the
command. The systems: makeittalk, wav2lip, sadtalker, ip_lap, diff2lip.

Their parts: references, drawing, warping_parts, boxes, diffusion, expert.
"""
