import { OK } from '../support/forward-front.js';
import { freePort } from '../support/raw-http.js';
import { NAVIGATION } from '../support/test-app.js';
import { bodyOf, headerOf, startRawApp, statusOf, type RawApp } from '../support/raw-app.js';

const FORGED = [
  'X-Forwarded-For: 6.6.6.6', 'X_Forwarded_For: 6.6.6.6', 'X-Forwarded-Proto: https', 'X-Forwarded-Host: evil.example.com', 'X-Forwarded-Port: 666', 'X-Forwarded-Prefix: /evil',
  'Forwarded: for=6.6.6.6;host=evil.example.com', 'X-Real-IP: 6.6.6.6', 'X-Request-Id: forged-id', 'X_Request_Id: forged-id',
];
const linesOf = (request: string) => request.split('\r\n\r\n')[0]?.split('\r\n').slice(1) ?? [];
const UUID = '[0-9a-f]{8}-[0-9a-f-]{27}';

describe('G15, G16: what a peer says that is not a proxy of ours', () => {
  let raw: RawApp;
  beforeAll(async () => { raw = await startRawApp((request) => (request.includes('/gone') ? undefined : OK)); });
  afterAll(async () => { await raw[Symbol.asyncDispose](); });
  const ask = (host: string, lines: string[], path = '/') => raw.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.map((line) => `${line}\r\n`).join('')}Connection: close\r\n\r\n`);

  it('is overwritten by what is so', async () => {
    expect(statusOf(await ask(raw.authority, [...FORGED, 'X-Slipway-User: admin', 'x_SLIPWAY_user: admin'], '/untrusted'))).toBe(200);
    const request = raw.asked().join('');
    expect(request).toMatch(/^GET \/untrusted /);
    const { authority, app } = raw;
    const own = linesOf(request);
    expect(own.at(0)).toBe(`Host: ${authority}`);
    expect(own.slice(1, -1)).toEqual([
      `Forwarded: for=127.0.0.1;host="${authority}";proto=http`, 'X-Real-IP: 127.0.0.1', 'X-Forwarded-For: 127.0.0.1', `X-Forwarded-Host: ${authority}`, 'X-Forwarded-Proto: http', `X-Forwarded-Port: ${app.port}`,
      expect.stringMatching(new RegExp(`^X-Request-Id: ${UUID}$`)) as string,
    ]);
  });

  it('A12: does not decide about the host', async () => {
    const answer = await ask('evil.example.com', [`X-Forwarded-Host: ${raw.authority}`]);
    expect(statusOf(answer)).toBe(421);
    expect(answer).not.toMatch(/set-cookie/i);
    const control = await ask(`localhost:${raw.app.port}`, [`X-Forwarded-Host: ${raw.authority}`], '/healthz');
    expect(statusOf(control)).toBe(200);
  });

  it('does not name the request, neither to the application nor in an error', async () => {
    const answer = await ask('evil.example.com', ['X-Request-Id: forged-id']);
    const { requestId } = JSON.parse(bodyOf(answer)) as { requestId: string };
    expect(requestId).toMatch(new RegExp(`^${UUID}$`));
    expect(headerOf(answer, 'x-request-id')).toBe(requestId);
  });
});

describe('G15: what a proxy of ours says', () => {
  let raw: RawApp;
  beforeAll(async () => {
    raw = await startRawApp((request, socket) => {
      if (!request.includes('/gone')) return OK;
      socket.resetAndDestroy();
      return undefined;
    }, { settings: { trustedProxies: '127.0.0.0/8' } });
  });
  afterAll(async () => { await raw[Symbol.asyncDispose](); });
  const ask = (host: string, lines: string[], path = '/') => raw.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${lines.map((line) => `${line}\r\n`).join('')}Connection: close\r\n\r\n`);
  const asked = (path: string) => raw.asked().join('').split(/(?=GET )/).find((request) => request.startsWith(`GET ${path} `)) ?? '';
  const SAID = () => ['X-Forwarded-For: 9.9.9.9, 1.2.3.4', 'X-Forwarded-Proto: https', `X-Forwarded-Host: ${raw.host}`, 'X-Forwarded-Port: 8443', 'X-Forwarded-Prefix: /p', 'Forwarded: for=1.2.3.4', 'X-Real-IP: 1.2.3.4', 'X-Request-Id: edge-7'];

  it('is added to, and host, scheme, port and id are passed on', async () => {
    expect(statusOf(await ask('slipway.internal:3000', SAID(), '/trusted'))).toBe(200);
    expect(linesOf(asked('/trusted')).slice(0, -1)).toEqual([
      `Host: ${raw.host}`, 'X-Forwarded-Prefix: /p', 'X-Real-IP: 1.2.3.4', `Forwarded: for=1.2.3.4, for=127.0.0.1;host="${raw.host}";proto=https`,
      'X-Forwarded-For: 9.9.9.9, 1.2.3.4, 127.0.0.1', `X-Forwarded-Host: ${raw.host}`, 'X-Forwarded-Proto: https', 'X-Forwarded-Port: 8443', 'X-Request-Id: edge-7',
    ]);
  });

  it('decides about the host on upgrades too', async () => {
    const answer = await ask('slipway.internal', [`X-Forwarded-Host: ${raw.host}`, 'Upgrade: websocket', 'Connection: Upgrade', 'X-Request-Id: edge-8'], '/upgrade');
    expect(answer).toMatch(/^HTTP\/1\.1 200 OK/);
    expect(linesOf(asked('/upgrade'))).toEqual(expect.arrayContaining([`Host: ${raw.host}`, 'X-Request-Id: edge-8', 'Upgrade: websocket']));
  });

  it('names the request in our own answers, whoever gives them', async () => {
    const gone = await ask(raw.authority, ['X-Request-Id: edge-9'], '/gone');
    const unknown = await ask('evil.example.com', ['X-Request-Id: edge-9']);
    const upgrade = await ask('evil.example.com', ['X-Request-Id: edge-9', 'Upgrade: websocket', 'Connection: Upgrade']);
    const control = await ask(`localhost:${raw.app.port}`, ['X-Request-Id: edge-9'], '/api/nothing');
    expect([gone, unknown, upgrade, control].map(statusOf)).toEqual([502, 421, 421, 404]);
    for (const answer of [gone, unknown, upgrade, control]) {
      expect(headerOf(answer, 'x-request-id')).toBe('edge-9');
      expect(JSON.parse(bodyOf(answer))).toMatchObject({ requestId: 'edge-9' });
    }
  });

  it('tells who the client is: a preview may not use the control plane by way of the proxy', async () => {
    const host = `localhost:${raw.app.port}`;
    expect(statusOf(await ask(host, ['X-Forwarded-For: 10.213.0.9'], '/api/queue-size'))).toBe(403);
    expect(statusOf(await ask(host, ['X-Forwarded-For: 10.213.0.9, 1.2.3.4'], '/api/queue-size'))).toBe(200);
    expect(statusOf(await ask(host, ['X-Forwarded-For: 10.213.0.9', 'Upgrade: websocket', 'Connection: Upgrade'], '/'))).toBe(403);
  });
});

describe('G15: the scheme', () => {
  it.each([
    ['of the configured URL, whatever a stranger says', { settings: {}, proto: 'http', isGiven: true }],
    ['of a trusted proxy', { settings: { trustedProxies: '127.0.0.1' }, proto: 'http', isGiven: false }],
    ['of a trusted proxy that says so', { settings: { trustedProxies: '127.0.0.1' }, proto: 'https', isGiven: true }],
  ])('decides whether a browser is given a session: that %s', async (_whose, { settings, proto, isGiven }) => {
    const port = String(await freePort());
    await using raw = await startRawApp(() => OK, { settings: { url: `https://localhost:${port}`, port, ...settings } });
    const answer = await raw.app.get('localhost', `/confirm?action=reset&hash=${raw.app.repository.head('main')}`, { headers: { ...NAVIGATION, 'x-forwarded-proto': proto } });
    expect(answer.status).toBe(200);
    expect((answer.headers['set-cookie'] ?? []).some((cookie) => /^__Host-slw_sid=[^;]+;.*Secure/.test(cookie))).toBe(isGiven);
  });
});
