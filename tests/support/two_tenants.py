"""A machine that two companies share, with every id named after its owner, so that a leak is seen in the bytes."""

from acd_core import Engine, Outcome
from acd_core.commands import AgentLogin, Command, ConfigApply, ContactComplete, ContactEnqueue, OfferAccept
from acd_core.config import Agent, Calendar, Config, Queue, Tenant

TENANTS = ("acme", "zeta")
SHARED = ("both-agent", "any-agent")
START = 1_800_000_000 * 10**9


def config() -> Config:
    """Three agents of each company, and two who serve both."""
    return Config(
        tenants=tuple(Tenant(name) for name in TENANTS),
        calendars=(Calendar(name="office"),),
        queues=tuple(Queue(tenant=name, name=f"{name}-queue", wrapup_s=60) for name in TENANTS),
        agents=(
            *(Agent(agent=f"{name}-{number}", tenants=(name,)) for name in TENANTS for number in range(3)),
            Agent(agent="both-agent", tenants=TENANTS),
            Agent(agent="any-agent"),
        ),
    )


class TwoTenants:
    """Of each company one contact waits, one is offered, one talks and one is in wrap-up.

    Attributes:
        machine: with all of that.
        offers: the open offer of each company.
    """

    def __init__(self) -> None:
        self.machine = Engine()
        self.offers: dict[str, str] = {}
        self.do(ConfigApply(config=config()), "operator")
        for tenant in TENANTS:
            client = f"{tenant}-pbx"
            for number, state in enumerate(("wrapup", "connected", "offered")):
                self.do(AgentLogin(agent=f"{tenant}-{number}", ready=True), client)
                self.do(self.enqueue(tenant, state), client)
                contact = self.machine.contact(f"{tenant}-{state}")
                assert contact is not None
                assert contact.agent == f"{tenant}-{number}"
                self.offers[tenant] = contact.offer
                if state != "offered":
                    self.do(OfferAccept(offer=contact.offer), client)
                if state == "wrapup":
                    self.do(ContactComplete(contact=contact.contact), client)
            self.do(self.enqueue(tenant, "waiting"), client)

    def do(self, command: Command, client: str) -> None:
        """Carry a command out, which must be accepted."""
        assert Outcome(command.apply(self.machine, START, client)).accepted, command

    @staticmethod
    def enqueue(tenant: str, word: str) -> ContactEnqueue:
        """A contact of `tenant`."""
        return ContactEnqueue(
            contact=f"{tenant}-{word}",
            tenant=tenant,
            queue=f"{tenant}-queue",
            attributes={"ani": f"{tenant}-number"},
        )
