"""The insides of Celery and kombu: corrections in use always.

`local/` is not loaded with SWAPLINE_DISPATCH=celery.
"""
