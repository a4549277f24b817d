import { OK, untilTrue } from '../support/forward-front.js';
import { startRawApp, statusOf } from '../support/raw-app.js';

/** What the fuzz campaigns of test/fuzz found. */
describe('G11, G35: what comes behind a fault or an answer that is still to come', () => {
  const get = (host: string, path: string, lines = '') => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n`;
  const statusesOf = (text: string) => text.split(/(?=HTTP\/1\.1 \d)/).map(statusOf);

  it.each([
    ['a coding in front of chunks', (host: string) => `POST / HTTP/1.1\r\nHost: ${host}\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
    ['the same for the control plane', () => 'POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['an empty Host beside another', (host: string) => `POST / HTTP/1.1\r\nHost: ${host}\r\nHost:\r\nContent-Length: 1\r\n\r\nx`],
  ])('is not carried out when the connection ends with a refusal: %s', async (_what, fault) => {
    await using raw = await startRawApp();
    expect(statusesOf(await raw.send(`${fault(raw.authority)}${get(raw.authority, '/second')}${get(raw.authority, '/third')}`))).toEqual([400]);
    expect(raw.asked()).toEqual([]);
  });

  it('is one answer to a request without a host, whatever comes behind', async () => {
    await using raw = await startRawApp();
    expect(statusesOf(await raw.send('GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n\x16\x03'))).toEqual([400]);
  });

  it('leaves whole requests their answers when what follows them is malformed', async () => {
    await using raw = await startRawApp();
    expect(statusesOf(await raw.send(`${get(raw.authority, '/first')}${get(raw.authority, '/second')}\x16\x03\x01`))).toEqual([200, 200]);
  });

  it.each(['100-continue', 'x'])('never has “100 Continue” within an answer (%s)', async (expectation) => {
    await using raw = await startRawApp((request, socket) => {
      if (request.includes('/second')) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      return request.includes('/first') ? undefined : OK;
    });
    using client = await raw.connect();
    client.send(`${get(raw.authority, '/first')}${get(raw.authority, '/second', `Expect: ${expectation}\r\n`)}`);
    await untilTrue(() => raw.asked().join('').includes('/second'));
    raw.upstream.sockets.find((_, at) => raw.upstream.received[at]?.includes('/first') === true)?.write(OK);
    const text = await client.until((all) => all.split('\r\n\r\nok').length === 3);
    expect(text.indexOf('100 Continue', text.indexOf('200 OK', text.indexOf('\r\n\r\nok')))).toBe(-1);
  });

  it.each(['GET', 'CONNECT'])('is not mixed with what comes of a switch of protocols (%s)', async (method) => {
    await using raw = await startRawApp((request) => (request.includes('/first') ? undefined : 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'));
    expect(await raw.send(`${get(raw.authority, '/first')}${get(raw.authority, '/second', 'Connection: Upgrade\r\nUpgrade: websocket\r\n').replace('GET', method)}`)).toBe('');
  });
});
