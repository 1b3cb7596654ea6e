"""Examinations of an installation: each checks one thing, and reports what was found and what to do.

Nothing is changed but a key and an object that are written, read and deleted, and nothing is spent. What only the
workers' package can examine (the vendor, webhooks, Flower) it adds through the entry-point group `swapline.doctor`.
"""

from swapline_producer.operations.doctor.findings import Finding, Verdict

__all__ = ["Finding", "Verdict"]
