"""Examinations of an installation: each checks one thing, and reports what was found and what to do.

A key and an object are written, read and deleted; nothing else is changed, and nothing is spent. The workers' package
adds checks (vendor, webhooks, Flower) through the entry-point group `swapline.doctor`.
"""

from swapline_producer.operations.doctor.findings import Finding, Verdict

__all__ = ["Finding", "Verdict"]
