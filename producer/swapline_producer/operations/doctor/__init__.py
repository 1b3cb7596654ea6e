"""Examinations of an installation.

A key and an object are written and deleted; nothing else changes. The workers' package adds checks through the
entry-point group `swapline.doctor`.
"""

from swapline_producer.operations.doctor.findings import Finding, Verdict

__all__ = ["Finding", "Verdict"]
