"""Everything that touches the insides of Celery and kombu."""
