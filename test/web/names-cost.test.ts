import { performance } from 'node:perf_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { controlRoutes } from '../support/control-routes.js';
import { costOf } from '../support/event-loop-cost.js';
import { roundTrip } from '../support/raw-http.js';
import { ask, startTestApp, type TestApp } from '../support/test-app.js';

/** What one malformed request may take of the event loop. */
const MOST_MS = 5;
const MIB = 1024 * 1024;

/** What is in use once all that nobody needs is thrown away. */
function memory(): NodeJS.MemoryUsage {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage();
}

let app: TestApp;
beforeAll(async () => { app = await startTestApp(); });
afterAll(async () => { await app[Symbol.asyncDispose](); });

const statusOf = (answer: string) => Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1]);
const head = (target: string, host = `localhost:${app.port}`, line = 'GET') => `${line} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;

/** The cost in the middle, beyond what is paid anyhow; measured again when something else in the process stood in the way. */
async function medianOf(bytes: string, anyhow = 0): Promise<{ median: number; answer: string }> {
  let best = { median: Infinity, answer: '' };
  for (let again = 0; best.median >= MOST_MS && again < 4; again += 1) {
    const { median, answer } = await costOf(app.port, bytes);
    if (median - anyhow < best.median) best = { median: median - anyhow, answer };
  }
  return best;
}

describe('A16: a Host of 16,000 bytes', () => {
  const HOSTS: readonly (readonly [string, string])[] = [
    ['labels', 'a.'.repeat(8_000)], ['labels within the limit of a header', `${'a.'.repeat(7_900)}localhost`], ['dashes', '-'.repeat(15_800)], ['one letter', 'a'.repeat(15_800)], ['dots', '.'.repeat(15_800)], ['colons', ':'.repeat(15_800)], ['brackets', '['.repeat(15_800)],
    ['hashes', 'hash-'.repeat(3_100)], ['environments', 'x-'.repeat(7_900)], ['branches', `${'branch-'.repeat(2_200)}.localhost`], ['ports', 'localhost:1'.repeat(1_400)], ['hexadecimal digits', `hash-${'a'.repeat(15_000)}.localhost`], ['previews of previews', `${`hash-${'a'.repeat(40)}.`.repeat(340)}localhost`],
  ];

  it.each(HOSTS)('of %s is refused for less than 5 ms, each time', async (_what, host) => {
    const { median, answer } = await medianOf(head('/', host));
    expect([400, 421, 431]).toContain(statusOf(answer));
    expect(median).toBeLessThan(MOST_MS);
    const upgrade = await roundTrip(app.port, `GET / HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n`);
    expect([400, 421, 431]).toContain(statusOf(upgrade));
  });

  /** How long health takes, of 100 the slowest but one, while 200 requests of these hosts come ten at a time. */
  const healthMeanwhile = async (named: readonly string[]) => {
    const times: number[] = [];
    let over = false;
    const watch = async () => {
      while (!over) {
        const since = performance.now();
        await ask({ port: app.port, host: 'localhost', path: '/healthz' });
        times.push(performance.now() - since);
      }
    };
    const watching = watch();
    for (let round = 0; round < 20; round += 1) await Promise.all(Array.from({ length: 10 }, (_, at) => roundTrip(app.port, head('/nothing', named[at % named.length]))));
    over = true;
    await watching;
    expect(times.length).toBeGreaterThan(20);
    return times.sort((x, y) => x - y)[Math.floor(times.length * 0.99) - 1] ?? Infinity;
  };

  it('keeps nobody waiting: health is answered within 50 ms while 200 of them come', async () => {
    let slowest = Infinity;
    let most = 50;
    // On a machine that is busy with other things, what harmless requests cause is the measure.
    for (let again = 0; slowest >= most && again < 3; again += 1) {
      slowest = await healthMeanwhile(HOSTS.map(([, host]) => host));
      most = Math.max(50, 1.5 * await healthMeanwhile([`localhost:${app.port}`]));
    }
    expect(slowest).toBeLessThan(most);
  });
});

describe('A17: thousands of parameters', () => {
  const fill = (part: string) => part.repeat(Math.floor(15_000 / part.length));
  const QUERIES: readonly (readonly [string, string])[] = [
    ['numbered', Array.from({ length: 2_600 }, (_, at) => `${at}=`).join('&')], ['nested', `a${'[b]'.repeat(1_000)}=1`], ['deeper', `a${fill('[b]')}=1`], ['of lists', fill('a[]=&')], ['one name', fill('a&')], ['separators', fill('&')], ['equals signs', fill('=')], ['encoded brackets', fill('%5b')],
    ['encoded names', fill('%62=&')], ['that cannot be decoded', fill('%&')], ['that cannot be decoded either', fill('%E0%A4%A&')], ['like ours', fill('branch[=&')], ['of ours in brackets', fill('hash[a]=&')], ['properties', fill('__proto__[x]=1&')], ['of pluses', `q=${fill('+')}`], ['of questions', fill('?')], ['of ours, again and again', fill('page=1&')],
  ];
  const PATHS = ['/', '/status', '/log', '/api/status', '/confirm', '/nothing'];

  const bare = new Map<string, number>();
  /** A page has a price of its own, which is not the parameters'. */
  const bareOf = async (path: string) => {
    const known = bare.get(path) ?? (await costOf(app.port, head(path))).median;
    bare.set(path, known);
    return known;
  };

  it.each(QUERIES)('%s are ignored or refused for less than 5 ms, on every page', async (_what, query) => {
    for (const path of PATHS) {
      const { median, answer } = await medianOf(head(`${path}?${query}`), await bareOf(path));
      expect([path, [200, 400, 404].includes(statusOf(answer))]).toEqual([path, true]);
      expect([path, median < MOST_MS]).toEqual([path, true]);
    }
    const led = await medianOf(head(`/?${query}&branch=main`));
    expect([302, 400]).toContain(statusOf(led.answer));
    expect(led.median).toBeLessThan(MOST_MS);
  }, 120_000);

  it('leave nothing behind', async () => {
    const send = async (count: number) => { for (let at = 0; at < count; at += 1) for (const [, query] of QUERIES) await roundTrip(app.port, head(`/healthz?${query}`)); };
    await send(5);
    const before = memory();
    await send(60);
    const after = memory();
    expect(after.heapUsed - before.heapUsed).toBeLessThan(16 * MIB);
    expect(after.rss - before.rss).toBeLessThan(128 * MIB);
    expect(Object.keys(Object.prototype)).toEqual([]);
  }, 60_000);

  it('are refused in a form as well', async () => {
    for (const [, query] of QUERIES) {
      const body = query.slice(0, 15_000);
      const bytes = `POST /actions/reset HTTP/1.1\r\nHost: localhost:${app.port}\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
      const { median, answer } = await medianOf(bytes);
      expect([400, 401, 403, 413]).toContain(statusOf(answer));
      expect(median).toBeLessThan(MOST_MS);
    }
  }, 60_000);
});

describe('A18: paths that cannot be decoded, or go on and on', () => {
  const ROUTES = [...new Set(controlRoutes().map(({ path }) => path))];
  const UNDECODABLE = ['%E0%A4%A', '%', '%ff', '%zz', '%c0%af', '%ed%a0%80', 'a%', '%%%'];
  const fill = (part: string) => part.repeat(Math.floor(8_000 / part.length));
  /** The route with a text in the place of its parameter, or behind it. */
  const filled = (route: string, text: string) => (route.includes(':') ? route.replace(/:\w+/, text) : `${route.replace(/\/$/, '')}/${text}`);

  it.each([...ROUTES, '/assets/:file', '/nothing'])('%s: 400 bad_path for what cannot be decoded, in less than 5 ms', async (route) => {
    for (const text of UNDECODABLE) {
      const path = filled(route, text);
      for (const method of ['GET', 'POST']) {
        const answer = await app.control(path, { method });
        expect([method, path, answer.status, answer.json().error]).toEqual([method, path, 400, 'bad_path']);
        expect(answer.text).not.toMatch(/node_modules|\.ts\b|\bat \S+ \(/);
      }
    }
    const { median } = await medianOf(head(filled(route, '%E0%A4%A')));
    expect(median).toBeLessThan(MOST_MS);
  }, 60_000);

  it.each(ROUTES)('%s: eight thousand bytes of the same are not found for less than 5 ms', async (route) => {
    for (const part of ['-', '/a', '/', '%2f', '../', '%41', 'hash-', '/:id']) {
      const path = filled(route, fill(part));
      const { median, answer } = await medianOf(head(path));
      expect([path.slice(0, 40), [400, 404, 405].includes(statusOf(answer))]).toEqual([path.slice(0, 40), true]);
      expect([path.slice(0, 40), median < MOST_MS]).toEqual([path.slice(0, 40), true]);
    }
  }, 120_000);
});
