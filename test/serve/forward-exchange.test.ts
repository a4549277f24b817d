import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { OK, containerId, forwardTo, get, startAnswering, startFront, untilStill, untilTrue } from '../support/forward-front.js';
import { connectRaw, roundTrip, startRawUpstream } from '../support/raw-http.js';

const MANY = 100;

describe('the life of an exchange', () => {
  it('G20: lets the application say whether it wants a body', async () => {
    await using upstream = await startRawUpstream((socket, text) => {
      if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 100 Continue\r\n\r\n');
      if (text.endsWith('hello')) socket.write(OK);
    });
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send('POST / HTTP/1.1\r\nHost: p\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
    await client.until('100 Continue\r\n\r\n');
    client.send('hello');
    expect(await client.until('\r\n\r\nok')).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
    expect(upstream.received[0]).toMatch(/Expect: 100-continue\r\n[^]*\r\n\r\nhello$/);
  });

  it('G20: relays an early refusal without a 100, and closes', async () => {
    await using upstream = await startRawUpstream((socket) => { socket.write('HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n'); });
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send('POST / HTTP/1.1\r\nHost: p\r\nExpect: 100-continue\r\nContent-Length: 1000000000\r\n\r\n');
    await client.closed;
    expect(client.text()).toMatch(/^HTTP\/1\.1 401 No\r\n[^]*Connection: close\r\n/);
    await front.idle();
  });

  it(`G34: gets the client the refusal of an upload that goes on, ${String(MANY)} times`, async () => {
    const chunk = 'x'.repeat(65_536);
    await using upstream = await startRawUpstream((socket, text) => {
      if (!text.includes('\r\n\r\n') || socket.writableEnded) return;
      socket.end('HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig', () => { socket.destroy(); });
    });
    await using front = await startFront({ to: upstream.port });
    const lost: string[] = [];
    for (let times = 0; times < MANY; times += 1) {
      using client = await connectRaw(front.port);
      const push = () => { while (!client.socket.destroyed && client.socket.write(chunk)); };
      client.send('POST / HTTP/1.1\r\nHost: p\r\nContent-Length: 1000000000\r\n\r\n');
      client.socket.on('drain', push);
      push();
      const text = await client.until((all) => all.includes('\r\n\r\n'));
      if (!text.startsWith('HTTP/1.1 413')) lost.push(text.slice(0, 40));
    }
    await front.idle();
    expect(lost).toEqual([]);
  });

  it('G27: lets a slow application slow the client down', async () => {
    await using upstream = await startRawUpstream((socket) => { socket.pause(); });
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send('POST / HTTP/1.1\r\nHost: p\r\nContent-Length: 268435456\r\n\r\n');
    let sent = 0;
    const chunk = 'x'.repeat(1024 * 1024);
    const push = () => { while (sent < 256 && !client.socket.destroyed) { sent += 1; if (!client.socket.write(chunk)) return; } };
    client.socket.on('drain', push);
    push();
    await untilStill(() => sent);
    expect(sent).toBeLessThan(64);
    const before = sent;
    upstream.sockets[0]?.removeAllListeners('data').resume();
    await untilTrue(() => sent > before);
  });

  it('G31: repeats a GET once when a kept connection closes under it', async () => {
    await using upstream = await startRawUpstream((socket, text, connection) => {
      if (connection === 0 && text.includes('/second')) socket.resetAndDestroy();
      else socket.write(OK);
    });
    await using front = await startFront({ to: upstream.port });
    expect(await roundTrip(front.port, get([], '/first'))).toMatch(/200 OK/);
    expect(await roundTrip(front.port, get([], '/second'))).toMatch(/200 OK/);
    expect(upstream.received.map((text) => text.split('/second').length - 1)).toEqual([1, 1]);
  });

  it('G31: does not repeat a GET whose answer had begun, nor one on a new connection', async () => {
    await using upstream = await startRawUpstream((socket, text) => {
      if (text.includes('/cut')) socket.write('HTTP/1.1 200', () => { socket.resetAndDestroy(); });
      else if (text.includes('/reset')) socket.resetAndDestroy();
      else socket.write(OK);
    });
    await using front = await startFront({ to: upstream.port });
    expect(await roundTrip(front.port, get([], '/reset'))).toMatch(/^HTTP\/1\.1 502 /);
    expect(upstream.sockets).toHaveLength(1);
    expect(await roundTrip(front.port, get([], '/first'))).toMatch(/200 OK/);
    expect(await roundTrip(front.port, get([], '/cut'))).toMatch(/^HTTP\/1\.1 502 /);
    expect(upstream.sockets).toHaveLength(2);
  });

  it('G31: sends a POST at most once, and never on a connection that may be about to close', async () => {
    await using upstream = await startRawUpstream((socket, text) => {
      if (text.includes('POST')) socket.resetAndDestroy();
      else socket.write(OK);
    });
    await using front = await startFront({ to: upstream.port });
    expect(await roundTrip(front.port, get([], '/first'))).toMatch(/200 OK/);
    expect(await roundTrip(front.port, `POST / HTTP/1.1\r\nHost: p\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi`)).toMatch(/^HTTP\/1\.1 502 /);
    expect(upstream.received.filter((text) => text.includes('POST'))).toHaveLength(1);
    expect(upstream.received[0]).not.toContain('POST');
  });

  it('G32: dials the address it is given, of either family', async () => {
    await using upstream = await startAnswering();
    const six = createServer((socket) => { socket.once('data', () => { socket.end(OK); }); }).listen(0, '::1');
    await once(six, 'listening');
    const { port } = six.address() as AddressInfo;
    await using front = await startFront({ to: (req) => (req.url === '/6' ? forwardTo(port, { container: containerId('six'), target: { address: '::1', port } }) : forwardTo(upstream.port)) });
    expect(await roundTrip(front.port, get([], '/6'))).toMatch(/200 OK/);
    expect(await roundTrip(front.port, get([], '/4'))).toMatch(/200 OK/);
    six.close();
  });

  it('answers 502 when nobody listens', async () => {
    const upstream = await startAnswering();
    await upstream[Symbol.asyncDispose]();
    await using front = await startFront({ to: upstream.port });
    expect(await roundTrip(front.port, get())).toMatch(/^HTTP\/1\.1 502 /);
  });

  it('G35: routes pipelined requests on one connection each to its own target, in order', async () => {
    await using a = await startAnswering(() => 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA');
    await using b = await startAnswering(() => 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nB');
    await using front = await startFront({ to: (req) => (req.headers.host === 'a' ? forwardTo(a.port) : forwardTo(b.port, { container: containerId('c2') })) });
    using client = await connectRaw(front.port);
    client.send(['a', 'b', 'b', 'a'].map((host) => `GET /${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`).join(''));
    const text = await client.until((all) => all.split('X-Robots-Tag').length > 4 && all.endsWith('A'));
    expect([...text.matchAll(/\r\n\r\n(A|B)/g)].map(([, body]) => body)).toEqual(['A', 'B', 'B', 'A']);
    expect(a.received.join('')).not.toContain('Host: b');
  });

  it('G35: lets go of pipelined requests whose client is gone', async () => {
    await using upstream = await startRawUpstream(() => undefined);
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    let asked = 0;
    const all = new Promise<void>((resolve) => { front.server.on('request', () => { asked += 1; if (asked === 20) resolve(); }); });
    client.send('GET / HTTP/1.1\r\nHost: p\r\n\r\n'.repeat(20));
    await all;
    client.socket.destroy();
    await front.idle();
    expect(front.failures).toEqual([]);
  });

  it('K21: never lets a request for one container reach another one at its address', async () => {
    const first = await startAnswering(() => 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA');
    const { port } = first;
    const to = (name: string) => forwardTo(port, { container: containerId(name) });
    await using front = await startFront({ to: (req) => to(req.headers.host ?? '') });
    const ask = (host: string) => roundTrip(front.port, `GET /${host} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(await ask('a')).toMatch(/A$/);
    const [kept] = first.sockets;
    const closed = kept && once(kept, 'close');
    front.forward.forget(containerId('a'));
    await closed;
    await first[Symbol.asyncDispose]();
    await using second = await startRawUpstream((socket) => { socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nB'); }, port);
    expect(await ask('b')).toMatch(/B$/);
    expect(second.received.join('')).not.toContain('Host: a');
  });

  it('K21: does not repeat a request when its container goes meanwhile', async () => {
    await using upstream = await startRawUpstream((socket, text) => { if (!text.includes('/second')) socket.write(OK); });
    await using front = await startFront({ to: upstream.port });
    expect(await roundTrip(front.port, get([], '/first'))).toMatch(/200 OK/);
    const second = roundTrip(front.port, get([], '/second'));
    await untilTrue(() => upstream.received[0]?.includes('/second') === true);
    front.forward.forget(containerId('c1'));
    expect(await second).toMatch(/^HTTP\/1\.1 502 /);
    expect(upstream.sockets).toHaveLength(1);
  });
});
