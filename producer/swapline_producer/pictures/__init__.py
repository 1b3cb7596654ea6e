"""Pictures before they are paid for: made upright sRGB JPEGs, without the place where they were taken.

What can be told from bytes alone is told in the producer's process. Decoding happens in a child process (`sandbox`),
with Pillow and pillow-heif, which the extra `swapline-producer[pictures]` installs.
"""
