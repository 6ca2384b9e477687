"""Calls through greenswitch, and takes a call from the server: with_greenswitch.py HOST PORT PASSWORD"""

import gevent.monkey

gevent.monkey.patch_all()

import sys
import uuid

import gevent
from gevent.event import AsyncResult
from gevent.server import StreamServer
from greenswitch.esl import InboundESL, OutboundSession

PATIENCE = 30


def arrival(client, name, wanted):
    """What will be the first event of this name that is wanted."""
    result = AsyncResult()

    def handle(event):
        if wanted(event) and not result.ready():
            result.set(event)

    client.register_handle(name, handle)
    return result


def calls(client):
    """The client calls and hangs up."""
    call = str(uuid.uuid4())
    reply = client.send("event plain CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE CHANNEL_PARK BACKGROUND_JOB")
    assert reply.data == "+OK event listener enabled plain", reply.data
    mine = lambda event: event.headers.get("Unique-ID") == call
    answer, park, hangup = (
        arrival(client, name, mine) for name in ["CHANNEL_ANSWER", "CHANNEL_PARK", "CHANNEL_HANGUP_COMPLETE"]
    )
    target = "sofia/external/ring300@127.0.0.1:5080"
    reply = client.send(f"bgapi originate {{origination_uuid={call}}}{target} &park()")
    job = reply.headers["Job-UUID"]
    result = arrival(client, "BACKGROUND_JOB", lambda event: event.headers.get("Job-UUID") == job)
    assert answer.get(timeout=PATIENCE).headers["Channel-Call-State"] == "RINGING"
    park.get(timeout=PATIENCE)
    # greenswitch reads a job's body as one more header.
    assert call in str(result.get(timeout=PATIENCE).headers)
    assert client.send(f"api uuid_getvar {call} uuid").data == call
    assert client.send(f"api uuid_kill {call}").data == "+OK\n"
    assert hangup.get(timeout=PATIENCE).headers["Hangup-Cause"] == "NORMAL_CLEARING"


def is_called(client):
    """The server connects here and hands a call over, which is answered and hung up."""
    done = AsyncResult()

    def serve(connection, address):
        session = OutboundSession(address, connection)
        session.connect()
        session.myevents()
        answered = session.answer()
        session.call_command("hangup", "CALL_REJECTED")
        done.set((session.uuid, answered))

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    call = str(uuid.uuid4())
    hangup = arrival(
        client, "CHANNEL_HANGUP_COMPLETE", lambda event: event.headers.get("Unique-ID") == call
    )
    client.send(
        f"bgapi originate {{origination_uuid={call}}}null/x '&socket(127.0.0.1:{server.server_port} async full)'"
    )
    assert done.get(timeout=PATIENCE) == (call, "+OK")
    assert hangup.get(timeout=PATIENCE).headers["Hangup-Cause"] == "CALL_REJECTED"
    server.stop()


def main(host, port, password):
    stranger = InboundESL(host, port, password + "?")
    try:
        stranger.connect()
        sys.exit("a wrong password was accepted")
    except ValueError:
        stranger.stop()
    client = InboundESL(host, port, password)
    client.connect()
    calls(client)
    is_called(client)
    client.stop()
    print("greenswitch: refused, let in, subscribed, called, answered, hung up, was called")


with gevent.Timeout(2 * PATIENCE):
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
