"""The errors of the bridge to Celery.

BridgeError
├── SettingsError         an address or a number that the bridge can't use
├── EngineUnreachable     the broker, the result backend or every worker is away
└── EngineFailed          Celery took the workflow, and it ended without a report
    └── WorkerLost        what ran it is gone, and nobody went on with it
"""


class BridgeError(Exception):
    """What goes wrong between here and Celery. The message names the cause and the cure."""


class SettingsError(BridgeError):
    """An address or a number that the bridge can't use."""


class EngineUnreachable(BridgeError):
    """The broker, the result backend or every worker is away. Nothing was run."""


class EngineFailed(BridgeError):
    """Celery took the workflow, and it ended without a report."""


class WorkerLost(EngineFailed):
    """What ran the workflow is gone, and nobody went on with it."""
