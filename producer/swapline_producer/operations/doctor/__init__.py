"""Examinations of an installation: what was found, and what to do.

A key and an object are written, read and deleted; nothing else changes, nothing is spent. The workers' package adds
checks through the entry-point group `swapline.doctor`.
"""

from swapline_producer.operations.doctor.findings import Finding, Verdict

__all__ = ["Finding", "Verdict"]
