"""Everything that touches the insides of Celery and kombu.

Modules at this level correct what Celery and kombu do and are always used. `local/` runs steps past Celery's consumer
and tracer for speed; with SWAPLINE_DISPATCH=celery nothing of it is loaded. Tested against the releases in the lock.
"""
