"""A small contact centre: its configuration, and its everyday commands as plain messages."""

from typing import Any


def config(agents: int = 3, **queue: Any) -> dict[str, Any]:
    """Two tenants with the queue `support` each, and agents `a-1`, `a-2`, ... who serve both."""
    return {
        "tenants": [{"name": "acme"}, {"name": "zeta"}],
        "queues": [{"tenant": tenant, "name": "support", **queue} for tenant in ("acme", "zeta")],
        "agents": [{"agent": f"a-{number}", "skills": {"spanish": number}} for number in range(1, agents + 1)],
    }


def enqueue(contact: str, tenant: str = "acme", **fields: Any) -> dict[str, Any]:
    """A `contact.enqueue`; its id is the contact's."""
    return {
        "type": "contact.enqueue",
        "id": contact,
        "contact": contact,
        "tenant": tenant,
        "queue": "support",
        **fields,
    }
