"""An adapter in thirty lines: an agent logs in, a call comes, he answers, they talk, it ends."""

import asyncio
import sys
import uuid

from acd_core.events import ContactConnected, ContactEnded, ContactOffered
from acd_protocol import Client


async def main(host: str, port: int) -> None:
    async with Client(host, port, name="my-pbx") as acd:
        await acd.login("a-12", address="PJSIP/1012", ready=True)
        contact = f"call-{uuid.uuid4()}"  # what your PBX calls this call
        await acd.enqueue(contact, "acme", "support", priority=5, attributes={"ani": "+34911222333"})
        async for event in acd.events():
            match event:
                case ContactOffered(contact=offered) if offered == contact:
                    print(f"ring {event.address} for at most {event.expires_in} s")
                    await acd.accept(event.offer)  # he picked up; after this returns, connect the two
                case ContactConnected():
                    print(f"{event.agent} talks with the caller, who waited {event.wait} s")
                    await acd.complete(event.contact, "completed_caller")  # the caller hung up
                case ContactEnded():
                    print(f"over: {event.reason}")
                    break
        await acd.logout("a-12")


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
