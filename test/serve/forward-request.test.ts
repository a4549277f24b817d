import type { FrontOptions } from '../support/forward-front.js';
import { get, startAnswering, startFront } from '../support/forward-front.js';
import { roundTrip } from '../support/raw-http.js';

async function received(request: string, options: Omit<FrontOptions, 'to'> = {}) {
  await using upstream = await startAnswering();
  await using front = await startFront({ to: upstream.port, ...options });
  const text = await roundTrip(front.port, request);
  await front.idle();
  return { text, seen: upstream.received.join(''), failures: front.failures };
}

describe('what an application receives', () => {
  it('G1: proxies a request with a Trailer line without that line', async () => {
    const { text, seen } = await received(get(['Trailer: x']));
    expect(text).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(seen.toLowerCase()).not.toContain('trailer');
  });

  it.each(['DELETE', 'OPTIONS', 'POST', 'GET', 'PATCH'])('G13: keeps the framing of a %s with a body', async (method) => {
    await using upstream = await startAnswering();
    await using front = await startFront({ to: upstream.port });
    const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n';
    const size = smuggled.length.toString(16);
    expect(await roundTrip(front.port, `${method} /a HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n${size}\r\n${smuggled}\r\n0\r\n\r\n`)).toMatch(/200 OK/);
    expect(await roundTrip(front.port, `${method} /b HTTP/1.1\r\nHost: p\r\nContent-Length: ${smuggled.length}\r\nConnection: close\r\n\r\n${smuggled}`)).toMatch(/200 OK/);
    expect(await roundTrip(front.port, get([], '/c', method))).toMatch(/200 OK/);
    const [chunked, length, none] = upstream.received.map((text) => text.toLowerCase());
    expect(chunked).toContain('\r\ntransfer-encoding: chunked\r\n');
    expect(chunked).not.toContain('content-length');
    expect(chunked).toContain(`\r\n\r\n${size}\r\n${smuggled.toLowerCase()}\r\n0\r\n\r\n`);
    expect(length).toMatch(new RegExp(`\r\ncontent-length: ${smuggled.length}\r\n`));
    expect(length).not.toContain('transfer-encoding');
    expect(none).not.toContain('transfer-encoding');
  });

  it('G14: removes hop-by-hop lines, those named in Connection too, and never what keeps the request in shape', async () => {
    const { seen } = await received('POST / HTTP/1.1\r\nHost: p\r\nConnection: close, X-Forwarded-For, Cookie, X-Slipway-User, X-Mine, x-forwarded-proto, X-Request-Id, Host, Content-Length\r\nX-Slipway-User: admin\r\nCookie: a=b\r\nX-Mine: 1\r\nKeep-Alive: 5\r\nTE: trailers\r\nProxy-Authorization: x\r\nProxy-Connection: x\r\nUpgrade: foo\r\nContent-Length: 2\r\nX-Kept: 1\r\n\r\nhi');
    expect(seen).not.toMatch(/^(cookie|x-mine|x-slipway-user|keep-alive|te|proxy-\w+|upgrade):/im);
    expect(seen).toMatch(/^Host: p\r\n/m);
    for (const line of ['X-Forwarded-For: 127.0.0.1', 'X-Forwarded-Proto: http', 'X-Request-Id: request-1']) expect(seen).toContain(`\r\n${line}\r\n`);
    expect(seen).toMatch(/^X-Kept: 1\r\n[^]*Content-Length: 2\r\n[^]*hi$/m);
  });

  const FORGED = ['X-Forwarded-For: 6.6.6.6', 'X_Forwarded_For: 6.6.6.6', 'X-Forwarded-Proto: gopher', 'X-Forwarded-Host: evil', 'X-Forwarded-Port: 1', 'X-Forwarded-Prefix: /evil', 'Forwarded: for=6.6.6.6', 'X-Real-IP: 6.6.6.6'];

  it('G15: overwrites forwarding lines of a peer that is not trusted', async () => {
    const { seen } = await received(get(FORGED), { forwarded: { for: '10.1.2.3', host: 'p:3000', proto: 'https', port: '3000' } });
    expect(seen).not.toMatch(/6\.6\.6\.6|gopher|evil/);
    for (const line of ['X-Forwarded-For: 10.1.2.3', 'X-Forwarded-Host: p:3000', 'X-Forwarded-Proto: https', 'X-Forwarded-Port: 3000']) expect(seen).toContain(`${line}\r\n`);
  });

  it('G15: adds to the forwarding lines of a trusted proxy', async () => {
    const { seen } = await received(get(FORGED), { forwarded: { for: '::1' }, trusted: true });
    expect(seen).toContain('X-Forwarded-For: 6.6.6.6, ::1\r\n');
    expect(seen).toContain('Forwarded: for=6.6.6.6, for="[::1]";host="hash-aaaa.pv.localhost:3000";proto=http\r\n');
    expect(seen).toContain('X-Forwarded-Prefix: /evil\r\n');
    expect(seen).not.toMatch(/gopher|X_Forwarded/);
  });

  it('G28: passes ranges, validators and accepted codings as they are', async () => {
    const lines = ['Range: bytes=0-3', 'If-None-Match: W/"a"', 'If-Range: "b"', 'Accept-Encoding: gzip;q=0.5, br', 'Cache-Control: no-transform', 'Accept: */*;q=0.1'];
    const { seen } = await received(get(lines));
    expect(seen).toContain(`\r\n${lines.join('\r\n')}\r\n`);
  });

  it('G16: removes names that are Slipway’s in any spelling', async () => {
    const { seen } = await received(get(['X_Slipway_User: admin', 'X-Slipway-User: admin', 'x-SLIPWAY_user: admin', 'X-Slipway-User: admin', 'X-Slipways: mine']));
    expect(seen).not.toContain('admin');
    expect(seen).toContain('X-Slipways: mine\r\n');
  });

  it.each(['/a//b', '/a/../b', '/a\\b', '/a%2fb', '/?', '/a?b?c', '/a#b', '/img/https://h//x', '//x', `/?q=${'x'.repeat(8_000)}`])('G19: passes the request target %j as it is', async (target) => {
    const { seen } = await received(get([], target));
    expect(seen.slice(0, seen.indexOf('\r\n'))).toBe(`GET ${target} HTTP/1.1`);
  });

  it('G19: sends the origin form of an absolute target', async () => {
    const { seen } = await received(get([], 'http://p.localhost:3000//a\\b?c'));
    expect(seen).toMatch(/^GET \/\/a\\b\?c HTTP\/1\.1\r\n/);
  });

  it('keeps case, order and duplicates of header lines, and names that objects have', async () => {
    const lines = ['uSER-agent: x', 'X-Dup: 1', 'constructor: c', 'X-Dup: 2', '__proto__: p', 'X-Name: \xc3\xa4'];
    const { seen } = await received(get(lines));
    expect(seen).toContain('Host: P.localhost:3000\r\nuSER-agent: x\r\nX-Dup: 1\r\nconstructor: c\r\nX-Dup: 2\r\nX-Name: \xc3\xa4\r\n');
  });

  it('G30: removes Slipway’s cookies and tokens and leaves the application’s bytes alone', async () => {
    const { seen } = await received(get(['Cookie: a=1;  b="x y"; slw_sid=s; __Host-slw_access=t;c=%20', 'Authorization: Bearer slw_secret']));
    expect(seen).toContain('Cookie: a=1;  b="x y";c=%20\r\n');
    expect(seen).not.toMatch(/slw_|Authorization/);
    const own = await received(get(['Cookie: slw_sid=s', 'Authorization: Bearer eyJ.slw_x']));
    expect(own.seen).toContain('Authorization: Bearer eyJ.slw_x\r\n');
    expect(own.seen).not.toContain('Cookie');
  });

  it('serves a request for HTTP/2 over clear text as the HTTP/1.1 request that it is', async () => {
    const { text, seen } = await received('POST / HTTP/1.1\r\nHost: p\r\nConnection: HTTP2-Settings, close\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: 2\r\n\r\nhi');
    expect(text).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(seen).not.toMatch(/http2/i);
  });

  it('refuses a transfer coding that it cannot pass on', async () => {
    const { text, seen, failures } = await received('POST / HTTP/1.1\r\nHost: p\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect([seen, failures]).toEqual(['', ['invalid_request']]);
  });
});
