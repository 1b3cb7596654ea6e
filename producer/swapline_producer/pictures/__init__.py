"""Pictures before they are paid for.

Bytes are examined in the producer's process, and decoded in a child (`sandbox`) with the extra
`swapline-producer[pictures]`.
"""
