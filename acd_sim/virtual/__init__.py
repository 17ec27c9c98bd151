"""The engine that serves live calls, under a virtual clock.

`simulate` plays a `Model`: the configuration of the live system (`acd_core.config.Config`), kinds of contacts with the
laws of their arrivals, talk and patience, agents with shifts and habits. It gives a `Study`, whose `estimate` names a
measure and gives its mean with a confidence interval::

    from acd_sim.virtual import Exponential, Kind, Model, Poisson, simulate

    model = Model(config=config, horizon_s=36_000, warmup_s=3_600, kinds=(
        Kind(name="calls", tenant="acme", queue="support", arrivals=Poisson(per_hour=120), talk=Exponential(300)),
    ))
    study = simulate(model, seed=1, replications=20)
    print(study.estimate("service_level"))

It needs the extra `simulate` of the package: NumPy and SciPy.
"""

from acd_sim.virtual.arrivals import ArrivalError, Arrivals, Backlog, Poisson, Profile, Recorded, Surge
from acd_sim.virtual.confidence import Estimate, estimate, paired_difference
from acd_sim.virtual.driver import SimulationError
from acd_sim.virtual.laws import (
    Constant,
    Empirical,
    Exponential,
    Gamma,
    Law,
    LawError,
    Lognormal,
    Survival,
    Uniform,
    kaplan_meier,
)
from acd_sim.virtual.measures import MEASURES, Figures, value_of
from acd_sim.virtual.model import Break, CalledBack, Crew, Kind, Model, ModelError, Onward, Outage, Retry, Shift, Timed
from acd_sim.virtual.replication import Replication, replicate
from acd_sim.virtual.streams import Streams
from acd_sim.virtual.study import Study, find_warmup, simulate
from acd_sim.virtual.warmup import warmup_intervals

__all__ = [
    "MEASURES",
    "ArrivalError",
    "Arrivals",
    "Backlog",
    "Break",
    "CalledBack",
    "Constant",
    "Crew",
    "Empirical",
    "Estimate",
    "Exponential",
    "Figures",
    "Gamma",
    "Kind",
    "Law",
    "LawError",
    "Lognormal",
    "Model",
    "ModelError",
    "Onward",
    "Outage",
    "Poisson",
    "Profile",
    "Recorded",
    "Replication",
    "Retry",
    "Shift",
    "SimulationError",
    "Streams",
    "Study",
    "Surge",
    "Survival",
    "Timed",
    "Uniform",
    "estimate",
    "find_warmup",
    "kaplan_meier",
    "paired_difference",
    "replicate",
    "simulate",
    "value_of",
    "warmup_intervals",
]
