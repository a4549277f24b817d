import type { HealthCheck } from '../../src/domain/health.js';
import { createLoopBook } from '../../src/kernel/loop-book.js';
import { createHealth } from '../../src/run/health.js';
import type { Probe, ProbeResult } from '../../src/run/probe.js';
import { PLACEMENT, startInstances, type StartedInstances } from './started-instances.js';

const HEALTH: HealthCheck = { test: { kind: 'http', method: 'GET', path: '/healthz', status: 200 }, everyMs: 10_000, timeoutMs: 5_000, unhealthyMs: 30_000 };
const good: ProbeResult = { kind: 'answer', status: 200 };
const bad: ProbeResult = { kind: 'answer', status: 500 };

interface Looking extends AsyncDisposable {
  readonly house: StartedInstances;
  /** What was found, with the second at which it was told. */
  readonly findings: readonly string[];
  /** At which seconds it was looked. */
  readonly looks: readonly number[];
  readonly loops: ReturnType<typeof createLoopBook>;
  stop(): Promise<void>;
}

/** Looks at instances whose answers a script gives by the second. */
async function startLooking(script: (second: number, signal: AbortSignal) => ProbeResult | Promise<ProbeResult>): Promise<Looking> {
  const house = await startInstances();
  const loops = createLoopBook({ clock: house.clock });
  const looks: number[] = [];
  const findings: string[] = [];
  const second = () => house.clock.monotonic() / 1_000;
  const probe: Probe = async (of, signal) => {
    expect(of).toMatchObject({ test: HEALTH.test, host: PLACEMENT.host });
    looks.push(second());
    return script(second(), signal);
  };
  const health = createHealth({ instances: house.instances, probe, clock: house.clock, log: house.log, loops });
  health.onFinding((finding) => { findings.push(`${second()} ${finding.kind}${finding.kind === 'good' ? '' : ` ${finding.error.code}: ${finding.error.message}`}`); });
  await health.start();
  return {
    house, findings, looks, loops, stop: health.stop,
    [Symbol.asyncDispose]: async () => { await health.stop(); await house[Symbol.asyncDispose](); },
  };
}

const run = ({ house }: Looking, health = HEALTH) => house.instances.ensure(house.release({ health }), PLACEMENT);

describe('P8: an instance with a health line', () => {
  it('is looked at every so often while it runs, and that it is well is said once', async () => {
    await using looking = await startLooking(() => good);
    await run(looking);
    await looking.house.clock.advance(45_000);
    expect([looking.looks, looking.findings]).toEqual([[10, 20, 30, 40], ['10 good']]);
    expect(looking.loops.list().map(({ name, project, periodMs }) => [name, project, periodMs])).toEqual([['health of v1', 'shop', 10_000]]);
  });

  it('fails at the first bad look, is unhealthy once it has failed for so long, and stays so at each look', async () => {
    await using looking = await startLooking((second) => (second < 15 ? good : bad));
    await run(looking);
    await looking.house.clock.advance(65_000);
    expect(looking.findings).toEqual([
      '10 good',
      '20 failing unhealthy: Release v1: not healthy: GET /healthz 500.',
      '50 unhealthy unhealthy: Release v1: not healthy for 30 s: GET /healthz 500.',
      '60 unhealthy unhealthy: Release v1: not healthy for 40 s: GET /healthz 500.',
    ]);
  });

  it('is good again with one good look, and counts from the beginning afterwards', async () => {
    await using looking = await startLooking((second) => (second === 10 || second === 30 ? bad : good));
    await run(looking);
    await looking.house.clock.advance(65_000);
    expect(looking.findings.map((line) => line.split(':')[0])).toEqual(['10 failing unhealthy', '20 good', '30 failing unhealthy', '40 good']);
  });

  it('is looked at earlier than usual when its time is over before', async () => {
    await using looking = await startLooking(() => bad);
    await run(looking, { ...HEALTH, everyMs: 60_000, unhealthyMs: 5_000 });
    await looking.house.clock.advance(66_000);
    expect(looking.looks).toEqual([60, 65]);
    expect(looking.findings).toEqual(['60 failing unhealthy: Release v1: not healthy: GET /healthz 500.', '65 unhealthy unhealthy: Release v1: not healthy for 5 s: GET /healthz 500.']);
  });

  it('fails when it takes longer than it may, although the probe never ends', async () => {
    await using looking = await startLooking(() => new Promise(() => undefined));
    await run(looking);
    await looking.house.clock.advance(16_000);
    expect(looking.findings).toEqual(['15 failing unhealthy: Release v1: not healthy: GET /healthz gave no answer.']);
  });

  it('is let alone once it stops, is lost or the server stops', async () => {
    await using looking = await startLooking(() => good);
    const { house, looks, loops } = looking;
    await run(looking);
    await house.instances.stop(house.release());
    await house.clock.advance(30_000);
    const { container } = await run(looking);
    await house.instances.lost(container, true);
    await house.clock.advance(30_000);
    expect([looks, loops.list()]).toEqual([[], []]);
    await run(looking);
    await looking.stop();
    await house.clock.advance(30_000);
    expect([looks, loops.list(), house.clock.sleepers]).toEqual([[], [], 0]);
  });

  it('says nothing of a look that its end has overtaken', async () => {
    await using looking = await startLooking(async (_second, signal) => { await looking.house.clock.sleep(1_000, signal); return bad; });
    await run(looking);
    await looking.house.clock.advance(10_500);
    await looking.house.instances.stop(looking.house.release());
    await looking.house.clock.advance(30_000);
    expect([looking.looks, looking.findings]).toEqual([[10], []]);
  });

  it('is the only kind that is looked at', async () => {
    await using looking = await startLooking(() => bad);
    await looking.house.instances.ensure(looking.house.release(), PLACEMENT);
    await looking.house.clock.advance(60_000);
    expect([looking.looks, looking.loops.list()]).toEqual([[], []]);
  });

  it('is looked at also when it ran before anybody looked', async () => {
    await using looking = await startLooking(() => good);
    await looking.stop();
    await run(looking);
    const again = createHealth({ instances: looking.house.instances, probe: async () => bad, clock: looking.house.clock, log: looking.house.log });
    const kinds: string[] = [];
    again.onFinding(({ kind }) => { kinds.push(kind); });
    await again.start();
    await looking.house.clock.advance(11_000);
    await again.stop();
    expect(kinds).toEqual(['failing']);
  });
});
