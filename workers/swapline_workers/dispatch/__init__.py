"""The insides of Celery and kombu: corrections that are always used.

`local/` runs steps past Celery's consumer and tracer; SWAPLINE_DISPATCH=celery loads nothing of it.
"""
