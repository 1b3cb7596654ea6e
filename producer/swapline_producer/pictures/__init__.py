"""Pictures before they are paid for: upright sRGB JPEGs, without the place where they were taken.

Bytes are examined in the producer's process; decoding happens in a child process (`sandbox`), with the extra
`swapline-producer[pictures]`.
"""
