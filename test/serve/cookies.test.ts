import { OK, PREVIEW_HOST, get, startAnswering, startFront } from '../support/forward-front.js';
import { connectRaw, roundTrip, startAnsweringUpstream } from '../support/raw-http.js';

const TOKEN = 'configured-token-of-this-server';
const RESERVED = ['slw_sid', 'slw_', 'SLW_Sid', '__Host-slw_sid', '__Host-slw_access', '__Secure-slw_x', 'slipway_', 'slipway_sid', 'Slipway_Theme', '__Host-slipway', '__host-slipway_sid', '__Host-slipway-access', '__Secure-slipway'];
const APPLICATIONS = ['sid', 'slw', 'slwx', 'slipway', 'slipways', 'my_slw_sid', 'x-slipway_sid', '__Host-sid', '__Secure-sid', '__Host-my_slipway', 'connect.sid'];
const UPGRADE = ['Upgrade: websocket', 'Connection: Upgrade'];
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n';

const linesOf = (text: string, name: string) => [...text.matchAll(new RegExp(`^${name}: (.*)\r$`, 'gm'))].map(([, value]) => value);

/** What the application gets of these lines, in a request and in a handshake. */
async function passedOn(lines: string[]): Promise<string[]> {
  await using upstream = await startAnswering();
  await using front = await startFront({ to: upstream.port, token: TOKEN });
  await roundTrip(front.port, get(lines));
  await roundTrip(front.port, `GET / HTTP/1.1\r\nHost: ${PREVIEW_HOST}\r\n${[...lines, ...UPGRADE].join('\r\n')}\r\n\r\n`);
  expect(upstream.received).toHaveLength(2);
  return [...upstream.received];
}

/** What the client gets of these cookies: in an answer, in one to a handshake that is refused and in one that is not. */
async function setBy(cookies: string[]): Promise<string[][]> {
  const set = cookies.map((cookie) => `Set-Cookie: ${cookie}\r\n`).join('');
  const all: string[][] = [];
  for (const [answer, lines] of [[`HTTP/1.1 200 OK\r\n${set}Content-Length: 0\r\n\r\n`, []], [`HTTP/1.1 403 No\r\n${set}Content-Length: 0\r\n\r\n`, UPGRADE], [`${SWITCH}${set}\r\n`, UPGRADE]] as const) {
    await using upstream = await startAnsweringUpstream(answer);
    await using front = await startFront({ to: upstream.port });
    using client = await connectRaw(front.port);
    client.send(`GET / HTTP/1.1\r\nHost: ${PREVIEW_HOST}\r\n${lines.map((line) => `${line}\r\n`).join('')}\r\n`);
    all.push(linesOf(await client.until('\r\n\r\n'), 'Set-Cookie').map(String));
  }
  return all;
}

describe('cookies and tokens that are Slipway’s', () => {
  it('G30, H9: do not reach the application, whatever their names', async () => {
    for (const request of await passedOn([`Cookie: ${RESERVED.map((name) => `${name}=secret`).join('; ')}`])) expect(request).not.toMatch(/cookie|secret/i);
  });

  it('G30, H9: leave the application’s own as they are, in order and byte for byte', async () => {
    const own = APPLICATIONS.map((name, at) => `${name}=${at}`);
    const mixed = own.flatMap((cookie, at) => [cookie, `${RESERVED[at] ?? ''}=secret`]).join('; ');
    for (const request of await passedOn([`Cookie: ${mixed}`])) expect(linesOf(request, 'Cookie')).toEqual([own.join('; ')]);
    const odd = 'a=1;  b="x; y";;c = slw_1 ;=slip; d=\xc3\xa4;';
    for (const request of await passedOn([`Cookie: ${odd}`])) expect(linesOf(request, 'Cookie')).toEqual([odd]);
  });

  it('G30, H9: are found in each of several lines', async () => {
    for (const request of await passedOn(['Cookie: slw_sid=secret', 'cookie: a=1; slipway_x=secret', 'COOKIE: slipway_y=secret;b=2'])) {
      expect(linesOf(request.toLowerCase(), 'cookie').join('; ')).toBe('a=1; b=2');
      expect(request).not.toContain('secret');
    }
  });

  it('G30, H9: tokens are withheld, those by their prefix and the configured one, and no others', async () => {
    for (const token of ['Bearer slw_0123', 'bearer  slw_0123', 'BEARER slw_0123', `Bearer ${TOKEN}`, `bearer   ${TOKEN}`]) {
      for (const request of await passedOn([`Authorization: ${token}`])) expect(request).not.toMatch(/authorization/i);
    }
    for (const own of ['Bearer eyJ.slw_x', 'Bearer slwx', 'Basic c2x3X3g6eQ==', `Bearer ${TOKEN}x`, `Bearer x${TOKEN}`, TOKEN, 'Digest username="slw_a"']) {
      for (const request of await passedOn([`Authorization: ${own}`])) expect(linesOf(request, 'Authorization')).toEqual([own]);
    }
  });

  it('G29, H9: cannot be set by an application, not even without a name', async () => {
    const forged = RESERVED.flatMap((name) => [`${name}=x; Path=/`, `${name}=x; Domain=localhost`]);
    const nameless = ['=slw_sid=x', ' = slipway_sid=x', '==__Host-slw_sid=x'];
    for (const cookies of await setBy([...forged, ...nameless])) expect(cookies).toEqual([]);
  });

  it('G29, H9: an application sets its own, for its host and what is below it', async () => {
    const own = APPLICATIONS.map((name) => `${name}=1; Path=/; HttpOnly`);
    for (const cookies of await setBy(own)) expect(cookies).toEqual(own);
    const wide = ['a=1; Domain=pv.localhost; Secure', 'b=1; DOMAIN=.localhost', 'c=1;domain=Pv.Localhost.;Max-Age=5', `d=1; Domain=${PREVIEW_HOST}`, `e=1; Domain=.${PREVIEW_HOST}`, 'f=1; Domain=x.localhost; Domain=localhost'];
    for (const cookies of await setBy(wide)) {
      expect(cookies).toEqual(['a=1; Secure', 'b=1', 'c=1;Max-Age=5', `d=1; Domain=${PREVIEW_HOST}`, `e=1; Domain=.${PREVIEW_HOST}`, 'f=1; Domain=x.localhost']);
    }
  });

  it('G29: the host that was asked for may be spelled in any way', async () => {
    for (const host of [`${PREVIEW_HOST.toUpperCase()}:3000`, `${PREVIEW_HOST}.`, `${PREVIEW_HOST}.:3000`]) {
      await using upstream = await startAnswering(() => OK.replace('\r\n\r\n', '\r\nSet-Cookie: a=1; Domain=pv.localhost\r\n\r\n'));
      await using front = await startFront({ to: upstream.port, previewHost: host });
      expect(linesOf(await roundTrip(front.port, get()), 'Set-Cookie')).toEqual(['a=1']);
    }
  });
});
