// Calls through modesl, in JSON and in XML: with_modesl.js HOST PORT PASSWORD
'use strict';

const assert = require('assert');
const { randomUUID } = require('crypto');
const esl = require('modesl');

const [host, port, password] = process.argv.slice(2);
const PATIENCE = 30000;

const connect = (password) =>
  new Promise((resolve, reject) => {
    const client = new esl.Connection(host, Number(port), password, () => resolve(client));
    client.on('esl::event::auth::fail', () => reject(new Error('refused')));
    client.on('error', reject);
  });

const api = (client, command, args) =>
  new Promise((resolve) => client.api(command, args, (reply) => resolve(reply.getBody())));

/** The first event of this name on this channel. */
const arrival = (client, name, call) =>
  new Promise((resolve) => client.once(`esl::event::${name}::${call}`, resolve));

async function call(format) {
  const client = await connect(password);
  await new Promise((resolve) =>
    client.events(format, 'CHANNEL_CREATE CHANNEL_ANSWER CHANNEL_HANGUP_COMPLETE BACKGROUND_JOB', resolve));
  const channel = randomUUID();
  const [created, answered, ended] =
    ['CHANNEL_CREATE', 'CHANNEL_ANSWER', 'CHANNEL_HANGUP_COMPLETE'].map((name) => arrival(client, name, channel));
  const job = new Promise((resolve) => client.bgapi(
    'originate', `{origination_uuid=${channel}}sofia/external/9196@127.0.0.1:5080 &park()`, resolve));
  assert.strictEqual((await created).getHeader('Call-Direction'), 'outbound');
  assert.strictEqual((await answered).getHeader('Answer-State'), 'answered');
  const result = await job;
  // modesl does not find the body of an event in XML.
  if (format === 'json') assert.strictEqual(result.getBody().trim(), `+OK ${channel}`);
  assert.strictEqual(await api(client, 'uuid_exists', channel), 'true');
  assert.strictEqual((await api(client, 'uuid_kill', channel)).trim(), '+OK');
  // The event carries this header twice.
  assert.strictEqual([].concat((await ended).getHeader('Hangup-Cause'))[0], 'NORMAL_CLEARING');
  client.disconnect();
}

async function main() {
  await assert.rejects(connect(`${password}?`), /refused/);
  for (const format of ['json', 'xml']) await call(format);
  console.log('modesl: refused, let in, subscribed, called, answered, hung up, in JSON and XML');
  process.exit(0);
}

setTimeout(() => { console.error('modesl: nothing more came'); process.exit(1); }, PATIENCE).unref();
main().catch((error) => { console.error(error); process.exit(1); });
