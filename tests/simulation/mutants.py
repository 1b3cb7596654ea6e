"""Deliberate faults of the pipeline, one at a time: the simulator must find each. One that is not found is a hole."""

from __future__ import annotations

from simulation.account_mutants import ACCOUNT_MUTANTS
from simulation.ledger_mutants import LEDGER_MUTANTS
from simulation.step_mutants import STEP_MUTANTS

MUTANTS = (*LEDGER_MUTANTS, *STEP_MUTANTS, *ACCOUNT_MUTANTS)
