import { once } from 'node:events';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { startAnsweringUpstream, connectRaw, roundTrip, startRawUpstream } from '../support/raw-http.js';
import { COMMIT, forwardTo, startFront, untilStill, untilTrue } from '../support/forward-front.js';

const GET = 'GET / HTTP/1.1\r\nHost: p\r\nConnection: close\r\n\r\n';
const KEPT = 'GET / HTTP/1.1\r\nHost: p\r\n\r\n';

async function throughFront(answer: string, asked = GET, after: 'end' | 'reset' | 'open' = 'end') {
  await using upstream = await startAnsweringUpstream(answer, after);
  await using front = await startFront({ to: upstream.port });
  const text = await roundTrip(front.port, asked);
  await front.idle();
  return { text, failures: front.failures, received: upstream.received };
}

describe('what an application answers', () => {
  it('G2: answers 502 for a status that no client takes, and goes on serving', async () => {
    for (const status of ['099', '000', '101']) {
      const { text, failures } = await throughFront(`HTTP/1.1 ${status} x\r\nContent-Length: 0\r\n\r\n`);
      expect(text).toMatch(/^HTTP\/1\.1 502 /);
      expect(failures).toEqual(['bad_upstream']);
    }
  });

  it('G3: takes control characters out of the reason phrase', async () => {
    const { text } = await throughFront('HTTP/1.1 200 O\x01K\r\nContent-Length: 2\r\n\r\nhi');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text.endsWith('hi')).toBe(true);
  });

  it('G4: drops a Trailer line next to a Content-Length', async () => {
    const { text } = await throughFront('HTTP/1.1 200 OK\r\nTrailer: x\r\nContent-Length: 2\r\n\r\nhi');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text.toLowerCase()).not.toContain('trailer');
  });

  it.each([
    ['garbage', '\x00\x01not http at all\r\n\r\n'],
    ['20 kB of header', `HTTP/1.1 200 OK\r\nX-Big: ${'x'.repeat(20_000)}\r\n\r\n`],
    ['length and chunks at once', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a control byte in a value', 'HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 0\r\n\r\n'],
    ['an empty header name', 'HTTP/1.1 200 OK\r\n: a\r\nContent-Length: 0\r\n\r\n'],
    ['an unknown transfer coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
    ['nothing', ''],
  ])('G5: answers 502 when the application sends %s', async (_, answer) => {
    const { text, failures } = await throughFront(answer);
    expect(text).toMatch(/^HTTP\/1\.1 502 /);
    expect(failures).toEqual(['bad_upstream']);
  });

  it('G6: answers 502 when the application switches protocols unasked', async () => {
    const { text, failures } = await throughFront('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', GET, 'open');
    expect(text).toMatch(/^HTTP\/1\.1 502 /);
    expect(failures).toEqual(['bad_upstream']);
  });

  it.each([
    ['a length is not reached', 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789', (socket: Socket) => socket.resetAndDestroy()],
    ['a length is not reached by a clean end', 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n0123456789', (socket: Socket) => socket.end()],
    ['the last chunk is missing', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n', (socket: Socket) => socket.end()],
    ['a chunk is malformed', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n', (socket: Socket) => socket.write('zz\r\n')],
    ['the connection is reset before its end', 'HTTP/1.1 200 OK\r\n\r\n0123456789', (socket: Socket) => socket.resetAndDestroy()],
  ])('G7: aborts the client when %s', async (_, answer, breakOff) => {
    await using upstream = await startAnsweringUpstream(answer);
    // A client that had to wait for this would never get there.
    await using front = await startFront({ to: upstream.port, timeouts: { idleMs: 600_000 } });
    using client = await connectRaw(front.port);
    client.send(KEPT);
    await client.until('0123456789');
    const [socket] = upstream.sockets;
    if (socket) breakOff(socket);
    expect(await client.closed).toBe('ECONNRESET');
    expect(client.text().endsWith('0\r\n\r\n')).toBe(false);
    await front.idle();
    expect(front.failures).toEqual([]);
  });

  it('G9: passes events on as they come, beginning with the header', async () => {
    await using upstream = await startAnsweringUpstream('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
    await using front = await startFront({ to: upstream.port, timeouts: { responseMs: 300 } });
    using client = await connectRaw(front.port);
    client.send(KEPT);
    await client.until('\r\n\r\n');
    for (const event of ['one', 'two', 'six']) {
      const began = performance.now();
      upstream.sockets[0]?.write(`b\r\ndata: ${event}\n\n\r\n`);
      await client.until(`data: ${event}\n\n`);
      expect(performance.now() - began).toBeLessThan(500);
    }
    client.socket.destroy();
    await front.idle();
  });

  it('G9: does not cut a running answer by the time for its beginning', async () => {
    await using upstream = await startAnsweringUpstream('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n');
    await using silent = await startRawUpstream(() => undefined);
    await using front = await startFront({ to: (req) => forwardTo(req.url === '/silent' ? silent.port : upstream.port), timeouts: { responseMs: 100, idleMs: 5_000 } });
    using client = await connectRaw(front.port);
    client.send(KEPT);
    await client.until('\r\n\r\n');
    expect(await roundTrip(front.port, GET.replace('/', '/silent'))).toMatch(/^HTTP\/1\.1 504 /);
    upstream.sockets[0]?.write('2\r\nhi\r\n0\r\n\r\n');
    expect(await client.until('0\r\n\r\n')).toContain('hi');
  });

  it('aborts an answer in which nothing moves any more', async () => {
    await using upstream = await startAnsweringUpstream('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhi');
    await using front = await startFront({ to: upstream.port, timeouts: { idleMs: 100 } });
    using client = await connectRaw(front.port);
    client.send(KEPT);
    expect(await client.closed).toBe('ECONNRESET');
    await front.idle();
  });

  it('G10: closes the application’s connection when the client goes, before and within an answer', async () => {
    for (const answer of ['', 'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nxx']) {
      let seen: () => void = () => undefined;
      const closed = new Promise<void>((resolve) => { seen = resolve; });
      await using upstream = await startRawUpstream((socket) => {
        socket.once('close', () => { seen(); });
        if (answer !== '') socket.write(answer);
      });
      await using front = await startFront({ to: upstream.port });
      using client = await connectRaw(front.port);
      client.send(KEPT);
      await (answer === '' ? untilTrue(() => upstream.received.some((text) => text.includes('\r\n\r\n'))) : client.until('xx'));
      client.socket.destroy();
      await closed;
      await front.idle();
      expect(front.failures).toEqual([]);
    }
  });

  it('G10: leaves nothing behind after a hundred clients that went away', async () => {
    await using upstream = await startRawUpstream(() => undefined);
    await using front = await startFront({ to: upstream.port });
    for (let times = 0; times < 100; times += 1) {
      using client = await connectRaw(front.port);
      client.send(KEPT);
      if (times % 2 === 0) await once(front.server, 'request');
    }
    await front.idle();
    await Promise.all(upstream.sockets.filter((socket) => !socket.destroyed).map((socket) => once(socket, 'close')));
    expect(front.inFlight()).toBe(0);
  });

  it('G8: answers 504 when the application accepts and never answers', async () => {
    await using upstream = await startRawUpstream(() => undefined);
    await using front = await startFront({ to: upstream.port, timeouts: { responseMs: 100 } });
    expect(await roundTrip(front.port, GET)).toMatch(/^HTTP\/1\.1 504 /);
    expect(front.failures).toEqual(['upstream_timeout']);
  });

  it('G21: keeps lengths without bodies for HEAD and 304, and the connection usable afterwards', async () => {
    await using upstream = await startRawUpstream((socket, text) => {
      if (!text.endsWith('\r\n\r\n')) return;
      const asked = text.slice(text.trimEnd().lastIndexOf('\r\n\r\n') + 1).trimStart();
      if (asked.startsWith('HEAD')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 42\r\n\r\n');
      else if (asked.startsWith('GET /304')) socket.write('HTTP/1.1 304 Not Modified\r\nContent-Length: 42\r\nETag: "x"\r\n\r\n');
      else if (asked.startsWith('GET /204')) socket.write('HTTP/1.1 204 No Content\r\nContent-Length: 42\r\n\r\n');
      else socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlast');
    });
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    for (const [asked, expected] of [['HEAD /', /200 OK\r\nContent-Length: 42/], ['GET /304', /304 Not Modified\r\nContent-Length: 42/], ['GET /204', /204 No Content\r\n(?!Content-Length)/]] as const) {
      const before = client.text().length;
      client.send(`${asked} HTTP/1.1\r\nHost: p\r\n\r\n`);
      const text = await client.until((all) => all.slice(before).includes('\r\n\r\n'));
      expect(text.slice(before)).toMatch(expected);
      expect(text.endsWith('\r\n\r\n')).toBe(true);
    }
    client.send(GET);
    await client.closed;
    expect(client.text()).toMatch(/HTTP\/1\.1 200 OK\r\nContent-Length: 4\r\n[^]*\r\n\r\nlast$/);
    expect(upstream.sockets).toHaveLength(1);
  });

  it('G28: passes codings, ranges, tags and bytes untouched', async () => {
    const headers = ['Content-Encoding: br', 'ETag: W/"a"', 'Cache-Control: no-transform', 'Content-Range: bytes 0-3/9', 'X-Twice: 1', 'x-twice: 2', 'Content-Disposition: attachment; filename="\xc3\xa4.txt"'];
    const { text } = await throughFront(`HTTP/1.1 206 Partial Content\r\n${headers.join('\r\n')}\r\nContent-Length: 4\r\n\r\n\x00\xff\x1f\x8b`);
    expect(text).toContain(`HTTP/1.1 206 Partial Content\r\n${headers.join('\r\n')}\r\n`);
    expect(text.endsWith('\r\n\r\n\x00\xff\x1f\x8b')).toBe(true);
  });

  it('G28: keeps bytes above 127 in header lines when the body comes later', async () => {
    await using upstream = await startAnsweringUpstream('HTTP/1.1 200 OK\r\nX-Name: \xc3\xa4\r\nTransfer-Encoding: chunked\r\n\r\n');
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send(KEPT);
    expect(await client.until('\r\n\r\n')).toContain('X-Name: \xc3\xa4\r\n');
  });

  it('G29: keeps cookies on the preview’s own host and drops those that are Slipway’s', async () => {
    const cookies = ['a=b; Domain=pv.localhost; Path=/', 'c=d; path=/; domain=.LOCALHOST', 'e=f; Domain=hash-aaaa.pv.localhost', 'g=h; Secure', '__Host-slw_sid=x; Path=/', 'slw_sid=x'];
    const { text } = await throughFront(`HTTP/1.1 200 OK\r\n${cookies.map((cookie) => `Set-Cookie: ${cookie}\r\n`).join('')}Content-Length: 0\r\n\r\n`);
    expect([...text.matchAll(/^Set-Cookie: (.*)\r$/gm)].map(([, cookie]) => cookie)).toEqual([
      'a=b; Path=/', 'c=d; path=/', 'e=f; Domain=hash-aaaa.pv.localhost', 'g=h; Secure',
    ]);
  });

  it('says which commit and release answered, whatever the application claims', async () => {
    const { text } = await throughFront('HTTP/1.1 200 OK\r\nX-Slipway-Commit: forged\r\nConnection: X-Slipway-Release, X-Robots-Tag, X-Mine\r\nX-Mine: 1\r\nContent-Length: 0\r\n\r\n');
    expect(text).toContain(`X-Slipway-Commit: ${COMMIT}\r\nX-Slipway-Release: v7\r\nX-Robots-Tag: noindex\r\n`);
    expect(text).not.toMatch(/forged|X-Mine/);
  });

  it('G27: lets a slow client slow the application down', async () => {
    const mib = Buffer.alloc(1024 * 1024, 120);
    let written = 0;
    await using upstream = await startRawUpstream((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 268435456\r\n\r\n');
      const pump = () => { while (written < 256 && !socket.destroyed) { written += 1; if (!socket.write(mib)) { socket.once('drain', pump); return; } } };
      pump();
    });
    await using front = await startFront({ to: upstream.port });
    const { port } = front;
    const answer = await new Promise<IncomingMessage>((resolve) => { request({ port, host: '127.0.0.1' }, resolve).on('error', () => undefined).end(); });
    answer.on('error', () => undefined);
    // Loopback buffers fill with the first few MiB; what the application can write then stands still until somebody reads.
    await untilStill(() => upstream.sockets[0]?.bytesWritten ?? 0);
    expect(written).toBeLessThan(64);
    const before = written;
    let read = 0;
    answer.on('data', (bytes: Buffer) => { read += bytes.length; if (read > 128 * mib.length) answer.destroy(); });
    await once(answer, 'close');
    expect(written).toBeGreaterThan(before);
    await front.idle();
  });
});
