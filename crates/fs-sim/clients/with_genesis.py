"""Calls through genesis: with_genesis.py HOST PORT PASSWORD"""

import asyncio
import sys
import uuid
from collections import defaultdict

from genesis import Inbound
from genesis.exceptions import AuthenticationError

SUBSCRIBED = "CHANNEL_CREATE CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE CHANNEL_DESTROY BACKGROUND_JOB"


async def main(host, port, password):
    try:
        async with Inbound(host, port, password + "?"):
            sys.exit("a wrong password was accepted")
    except AuthenticationError:
        pass

    call, job = str(uuid.uuid4()), str(uuid.uuid4())
    seen = defaultdict(asyncio.Event)
    events = {}

    async def note(event):
        name = event["Event-Name"]
        if call == event.get("Unique-ID") or job == event.get("Job-UUID"):
            events[name] = event
            seen[name].set()

    async with Inbound(host, port, password) as client:
        for name in SUBSCRIBED.split():
            client.on(name, note)
        reply = await client.send(f"events plain {SUBSCRIBED}")
        assert reply["Reply-Text"] == "+OK event listener enabled plain", reply
        version = await client.send("api version")
        assert "FreeSWITCH" in version.body, version.body

        reply = await client.send(
            f"bgapi originate {{origination_uuid={call}}}sofia/external/9196@127.0.0.1:5080 &park()\nJob-UUID: {job}"
        )
        assert reply["Job-UUID"] == job, reply
        for name in ["CHANNEL_CREATE", "CHANNEL_ANSWER", "BACKGROUND_JOB"]:
            await seen[name].wait()
        assert events["CHANNEL_ANSWER"]["Answer-State"] == "answered"
        assert events["BACKGROUND_JOB"].body.strip() == f"+OK {call}", events["BACKGROUND_JOB"].body

        dump = await client.send(f"api uuid_dump {call}")
        assert f"Unique-ID: {call}" in dump.body, dump.body[:200]
        killed = await client.send(f"api uuid_kill {call} USER_BUSY")
        assert killed.body.strip() == "+OK", killed.body
        for name in ["CHANNEL_HANGUP_COMPLETE", "CHANNEL_DESTROY"]:
            await seen[name].wait()
        # The event carries this header twice.
        assert events["CHANNEL_HANGUP_COMPLETE"]["Hangup-Cause"] == ["USER_BUSY", "USER_BUSY"]
    print("genesis: refused, let in, subscribed, called, answered, hung up")


asyncio.run(asyncio.wait_for(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]), 30))
