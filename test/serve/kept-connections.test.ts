import { createFakeClock } from '../support/fake-clock.js';
import { get, startAnswering, startFront, untilTrue } from '../support/forward-front.js';
import { roundTrip, startRawUpstream } from '../support/raw-http.js';

const answered = (more = '') => `HTTP/1.1 200 OK\r\n${more}Content-Length: 2\r\n\r\nok`;
const PROMISE = 'Keep-Alive: timeout=5, max=100\r\n';
const post = 'POST /changes HTTP/1.1\r\nHost: p\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi';
const postsOn = (received: readonly string[]) => received.map((text) => text.split('POST /changes').length - 1);

describe('connections that are kept for what must not be sent twice', () => {
  it('G31: serve the next such request while the application has promised to keep them', async () => {
    await using upstream = await startAnswering(() => answered(PROMISE));
    await using front = await startFront({ to: upstream.port, clock: createFakeClock() });
    for (let asked = 0; asked < 3; asked += 1) expect(await roundTrip(front.port, post)).toMatch(/200 OK/);
    await front.idle();
    expect(postsOn(upstream.received)).toEqual([3]);
  });

  it('G31: are not used any more once half of the promised time is over, and are closed', async () => {
    await using upstream = await startAnswering(() => answered(PROMISE));
    const clock = createFakeClock();
    await using front = await startFront({ to: upstream.port, clock });
    await roundTrip(front.port, post);
    await clock.advance(2_400);
    await roundTrip(front.port, post);
    await clock.advance(2_600);
    await roundTrip(front.port, post);
    expect(postsOn(upstream.received)).toEqual([2, 1]);
    await untilTrue(() => upstream.sockets[0]?.destroyed === true);
  });

  it.each(['', 'Keep-Alive: max=100\r\n', 'Keep-Alive: timeout=0\r\n', `${PROMISE}Connection: close\r\n`])('G31: are new ones without a promise: %j', async (lines) => {
    await using upstream = await startAnswering(() => answered(lines));
    await using front = await startFront({ to: upstream.port, clock: createFakeClock() });
    await roundTrip(front.port, post);
    await roundTrip(front.port, post);
    expect(postsOn(upstream.received)).toEqual([1, 1]);
  });

  it('G31: are not those of requests that may be repeated, and a promise that is broken costs no second sending', async () => {
    await using upstream = await startRawUpstream((socket, text) => {
      if (text.split('POST /changes').length > 2) socket.resetAndDestroy();
      else socket.write(answered(PROMISE));
    });
    await using front = await startFront({ to: upstream.port, clock: createFakeClock() });
    await roundTrip(front.port, get());
    await roundTrip(front.port, post);
    expect(await roundTrip(front.port, post)).toMatch(/^HTTP\/1\.1 502 /);
    expect(postsOn(upstream.received)).toEqual([0, 2]);
  });

  it('G34: keep a lost upload readable however often they served before', async () => {
    await using upstream = await startRawUpstream((socket, text) => {
      if (text.includes('1000000000')) socket.end('HTTP/1.1 413 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      else socket.write(answered(PROMISE));
    });
    await using front = await startFront({ to: upstream.port, clock: createFakeClock() });
    await roundTrip(front.port, post);
    await roundTrip(front.port, post);
    expect(await roundTrip(front.port, `POST / HTTP/1.1\r\nHost: p\r\nContent-Length: 1000000000\r\nConnection: close\r\n\r\n${'x'.repeat(100_000)}`)).toMatch(/^HTTP\/1\.1 413 /);
    expect(upstream.sockets).toHaveLength(1);
  });
});
