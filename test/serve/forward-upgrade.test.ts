import { once } from 'node:events';
import type { Server } from 'node:http';
import { connectRaw, startAnsweringUpstream, startRawUpstream } from '../support/raw-http.js';
import { COMMIT, containerId, startFront, untilTrue } from '../support/forward-front.js';

const handshake = (lines: string[] = [], target = '/ws') =>
  `GET ${target} HTTP/1.1\r\nHost: p:3000\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`;
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n';

const BREAKS = [
  { name: 'the application resets after the 101', when: 'joined', who: 'application' },
  { name: 'the client resets before the 101', when: 'asked', who: 'client' },
  { name: 'the client ends before the 101', when: 'asked', who: 'client end' },
  { name: 'the client resets after the 101', when: 'joined', who: 'client' },
  { name: 'the client resets within a frame', when: 'frame', who: 'client' },
  { name: 'the application resets instead of answering', when: 'asked', who: 'application' },
] as const;

describe('upgraded connections', () => {
  it.each(BREAKS)('H1: closes both sides and leaves nothing open when $name, 50 times', async ({ when, who }) => {
    await using upstream = await startRawUpstream((socket, text) => {
      if (!text.endsWith('\r\n\r\n')) return;
      if (when === 'asked' && who === 'application') socket.resetAndDestroy();
      if (when !== 'asked') socket.write(SWITCH);
    });
    await using front = await startFront({ to: upstream.port });
    for (let times = 0; times < 50; times += 1) {
      using client = await connectRaw(front.port);
      client.send(handshake());
      if (when === 'asked') await untilTrue(() => upstream.received[times]?.endsWith('\r\n\r\n') === true);
      else await client.until('\r\n\r\n');
      if (when === 'frame') client.send('\x81\x85abc');
      if (who === 'client') client.socket.resetAndDestroy();
      else if (who === 'client end') client.socket.end();
      else if (when === 'joined') upstream.sockets[times]?.resetAndDestroy();
      await client.closed;
    }
    await front.idle();
    await untilTrue(() => upstream.sockets.every((socket) => socket.destroyed));
    expect(upstream.sockets).toHaveLength(50);
    expect(await connections(front.server)).toBe(0);
  });

  it.each([
    ['404 Not Found', 'Content-Length: 4\r\n\r\nnope', 'nope'],
    ['401 Unauthorized', 'WWW-Authenticate: Basic\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nnope\r\n0\r\n\r\n', 'nope'],
    ['200 OK', 'X-Twice: 1\r\nX-Twice: 2\r\nContent-Length: 0\r\n\r\n', ''],
  ])('H2: passes on the refusal %s and closes', async (status, rest, body) => {
    await using upstream = await startAnsweringUpstream(`HTTP/1.1 ${status}\r\n${rest}`);
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send(handshake());
    await client.closed;
    expect(client.text()).toMatch(new RegExp(`^HTTP/1\\.1 ${status}\r\n[^]*Connection: close\r\n\r\n${body}$`));
    expect(client.text().toLowerCase()).not.toContain('transfer-encoding');
    expect(client.text()).toContain(`X-Slipway-Commit: ${COMMIT}\r\n`);
    await front.idle();
    expect(front.failures).toEqual([]);
  });

  it('H2: aborts the client when a refusal breaks off', async () => {
    await using upstream = await startAnsweringUpstream('HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\nhalf');
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send(handshake());
    await client.until('half');
    upstream.sockets[0]?.resetAndDestroy();
    expect(await client.closed).toBe('ECONNRESET');
    await front.idle();
  });

  it.each([['a status that no client takes', 'HTTP/1.1 099 x\r\n\r\n'], ['garbage', 'garbage\r\n\r\n']])('answers 502 to a handshake answered with %s', async (_, answer) => {
    await using upstream = await startAnsweringUpstream(answer);
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send(handshake());
    await client.closed;
    expect(client.text()).toMatch(/^HTTP\/1\.1 502 /);
    expect(front.failures).toEqual(['bad_upstream']);
    await front.idle();
  });

  it('answers 504 to a handshake that is never answered', async () => {
    await using upstream = await startRawUpstream(() => undefined);
    await using front = await startFront({ to: upstream.port, timeouts: { responseMs: 100 } });
    using client = await connectRaw(front.port);
    client.send(handshake());
    await client.closed;
    expect(client.text()).toMatch(/^HTTP\/1\.1 504 /);
    await front.idle();
  });

  it('refuses a handshake that announces a body', async () => {
    await using upstream = await startRawUpstream(() => undefined);
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send(handshake(['Content-Length: 30']));
    await client.closed;
    expect(client.text()).toMatch(/^HTTP\/1\.1 400 /);
    expect(upstream.sockets).toHaveLength(0);
  });

  it('H9: keeps Slipway’s cookies, tokens and names from the application, and passes Origin and path', async () => {
    await using upstream = await startAnsweringUpstream(SWITCH);
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send(handshake(['Cookie: a=1; slw_sid=x; b=2', 'Authorization: Bearer slw_t', 'X_Slipway_User: admin', 'Origin: http://elsewhere', 'Trailer: x', 'X-Forwarded-For: 6.6.6.6', 'Sec-WebSocket-Protocol: chat'], '/a//b\\c'));
    await client.until('\r\n\r\n');
    const seen = upstream.received[0] ?? '';
    expect(seen).toMatch(/^GET \/a\/\/b\\c HTTP\/1\.1\r\nHost: p:3000\r\n/);
    for (const line of ['Cookie: a=1; b=2', 'Origin: http://elsewhere', 'Sec-WebSocket-Protocol: chat', 'X-Forwarded-For: 127.0.0.1', 'Connection: Upgrade', 'Upgrade: websocket']) expect(seen).toContain(`\r\n${line}\r\n`);
    expect(seen).not.toMatch(/slw_|admin|trailer|6\.6\.6\.6/i);
  });

  it('H10: loses no bytes sent together with the handshake, in either direction', async () => {
    await using upstream = await startRawUpstream((socket, text) => {
      if (text.includes('\r\n\r\n') && socket.bytesWritten === 0) socket.write(`${SWITCH}early-from-application`);
    });
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send(`${handshake()}early-from-client`);
    const text = await client.until('early-from-application');
    expect(text).toMatch(/^HTTP\/1\.1 101 Switching Protocols\r\n[^]*Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n[^]*\r\n\r\nearly-from-application$/);
    await untilTrue(() => upstream.received[0]?.endsWith('\r\n\r\nearly-from-client') === true);
    client.send('later');
    await untilTrue(() => upstream.received[0]?.endsWith('early-from-clientlater') === true);
    upstream.sockets[0]?.end('last words');
    await client.closed;
    expect(client.text().endsWith('last words')).toBe(true);
    await front.idle();
  });

  it('delivers the last bytes to a client that reads slowly', async () => {
    const size = 8 * 1024 * 1024;
    await using upstream = await startAnsweringUpstream(SWITCH);
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send(handshake());
    const head = (await client.until('\r\n\r\n')).length;
    client.socket.pause();
    upstream.sockets[0]?.end('x'.repeat(size));
    await untilTrue(() => (upstream.sockets[0]?.bytesWritten ?? 0) > SWITCH.length);
    client.socket.resume();
    await client.closed;
    expect(client.text().length).toBe(head + size);
  });

  it('closes an upgraded connection on which nothing moves', async () => {
    await using upstream = await startAnsweringUpstream(SWITCH);
    await using front = await startFront({ to: upstream.port, timeouts: { upgradedIdleMs: 100 } });
    using client = await connectRaw(front.port);
    client.send(handshake());
    await client.closed;
    await front.idle();
  });

  it('K21: closes the upgraded connections of a container that is gone', async () => {
    await using upstream = await startAnsweringUpstream(SWITCH);
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send(handshake());
    await client.until('\r\n\r\n');
    front.forward.forget(containerId('c1'));
    await client.closed;
    await front.idle();
    const [socket] = upstream.sockets;
    if (socket && !socket.destroyed) await once(socket, 'close');
    expect(socket?.destroyed).toBe(true);
  });
});

function connections(server: Server): Promise<number> {
  return new Promise((resolve, reject) => { server.getConnections((error, count) => { if (error) reject(error); else resolve(count); }); });
}
