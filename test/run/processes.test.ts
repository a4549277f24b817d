import { readdirSync } from 'node:fs';
import type { ContainerId } from '../../src/domain/ids.js';
import type { Release } from '../../src/domain/release.js';
import type { ContainerSpec } from '../../src/engine/port.js';
import type { FakeProgram } from '../support/fake-containers.js';
import { gate } from '../support/test-app.js';
import { collect, until } from '../support/until.js';
import { PLACEMENT, silent, startInstances, type InstancesOptions, type StartedInstances } from './started-instances.js';

const PROCESSES = { worker: ['node', 'worker.mjs'], mailer: ['node', 'mailer.mjs'] };
const nameOf = ({ process }: Pick<ContainerSpec, 'process'>) => process ?? 'web';

/** Each process prints its name, and does what `programs` says of it. */
const startHouse = (programs: Readonly<Record<string, FakeProgram>> = {}, options: InstancesOptions = {}) =>
  startInstances({ program: (spec) => ({ lines: [`${nameOf(spec)} is up`], ...programs[nameOf(spec)] }), ...options });
const setOf = (house: StartedInstances, n = 1): Release => house.release({ processes: PROCESSES }, n);

/** What the engine has, by the names of processes. */
const processesOf = async ({ engine }: StartedInstances): Promise<string[]> => (await engine.list()).map(nameOf).sort();
const idOf = (house: StartedInstances, release: Release, process: string): ContainerId => {
  const id = house.instances.container(release, process);
  if (id === undefined) throw new Error(`${process} does not run`);
  return id;
};
const textsOf = async ({ logs }: StartedInstances, { project, number }: Release, process: string): Promise<string[]> =>
  (await collect(logs.read({ project, number, process }, undefined))).map(({ text }) => text);
const ALL = ['mailer', 'web', 'worker'];

describe('X4p: a release with processes', () => {
  it('runs each in a container of its own, of the same image, environment and limits; web has the image’s own command', async () => {
    const specs: ContainerSpec[] = [];
    await using house = await startHouse({}, { program: (spec) => { specs.push(spec); return {}; } });
    await house.instances.ensure(setOf(house), PLACEMENT);
    const [web, ...others] = specs;
    expect(web).toMatchObject({ process: null, command: null });
    expect(others.map(({ process, command }) => [process, command])).toEqual(Object.entries(PROCESSES));
    for (const other of others) expect({ ...other, process: null, command: null }).toEqual(web);
  });

  it('starts all of them before web is ready', async () => {
    let isUp = false;
    await using house = await startHouse({}, { probe: async () => (isUp ? { kind: 'answer', status: 200 } : { kind: 'silence' }) });
    const wanted = house.instances.ensure(setOf(house), PLACEMENT);
    await house.clock.advance(1_000);
    expect([await processesOf(house), house.instances.state(setOf(house))]).toEqual([ALL, 'starting']);
    isUp = true;
    await house.clock.advance(1_000);
    await wanted;
    expect(house.instances.state(setOf(house))).toBe('running');
  });

  it('is one instance, dialled at web alone; each container is found by its process', async () => {
    await using house = await startHouse();
    const running = await house.instances.ensure(setOf(house), PLACEMENT);
    const containers = await house.engine.list();
    expect(house.instances.running()).toEqual([running]);
    for (const { id, process } of containers) expect(house.instances.container(setOf(house), process)).toBe(id);
    expect(house.instances.container(setOf(house))).toBe(running.container);
    expect(running.target).toEqual(containers.find(({ process }) => process === null)?.target);
    expect(house.instances.container(setOf(house), 'cron')).toBeUndefined();
  });

  it('stops together: all are told to end before the first of them is gone, and a log is kept of each', async () => {
    await using house = await startHouse({ web: { deaf: true }, worker: { deaf: true }, mailer: { deaf: true } });
    await house.instances.ensure(setOf(house), PLACEMENT);
    const stopped = house.instances.stop(setOf(house));
    await house.clock.advance(0);
    expect(house.engine.calls.stop).toBe(3);
    // One grace for all of them, not one after the other.
    await house.clock.advance(10_000);
    await stopped;
    expect(await processesOf(house)).toEqual([]);
    expect(readdirSync(house.folder).sort()).toEqual(['shop-v1.log', 'shop-v1.mailer.log', 'shop-v1.worker.log']);
    expect([await house.textsOf(setOf(house)), await textsOf(house, setOf(house), 'worker'), await textsOf(house, setOf(house), 'mailer')]).toEqual([['web is up'], ['worker is up'], ['mailer is up']]);
  });

  it.each([['worker', 'Its process worker exited with code 3.'], ['mailer', 'Its process mailer exited with code 3.'], ['web', 'It exited with code 3.']])('ends as a whole when %s ends by itself', async (process, message) => {
    await using house = await startHouse();
    const release = setOf(house);
    const { container } = await house.instances.ensure(release, PLACEMENT);
    const lost: unknown[] = [];
    house.instances.onChange((change) => { if (change.kind === 'lost' || change.kind === 'gone') lost.push([change.kind, change.container]); });
    house.engine.exit(process === 'web' ? container : idOf(house, release, process), 3, ['last words']);
    await until(() => house.changes.includes('cleared'), 'it is cleared away');
    expect(lost).toEqual([['lost', container], ['gone', container]]);
    expect([house.changes, await processesOf(house)]).toEqual([['starting', 'running', 'lost', 'gone: crashed', 'cleared'], []]);
    expect(house.instances.lastFailure(release)).toMatchObject({ message, details: { lastLines: [`${process} is up`, 'last words'] } });
    // The others were told to end: one that is still at work may finish it.
    expect(house.engine.calls.stop).toBe(2);
    for (const each of ['worker', 'mailer']) expect(await textsOf(house, release, each)).toEqual([`${each} is up`, ...(each === process ? ['last words'] : [])]);
    const again = await house.instances.ensure(release, PLACEMENT);
    expect([again.container === container, await processesOf(house), house.instances.restarts(release)]).toEqual([false, ALL, 1]);
  });

  it('is gone without an error when somebody stops one of them', async () => {
    await using house = await startHouse();
    await house.instances.ensure(setOf(house), PLACEMENT);
    await house.engine.stop(idOf(house, setOf(house), 'worker'), 0);
    await until(() => house.changes.includes('cleared'), 'it is cleared away');
    expect([house.changes, await processesOf(house), house.instances.lastFailure(setOf(house))]).toEqual([['starting', 'running', 'lost', 'gone', 'cleared'], [], undefined]);
  });

  it('is not started when one of them ends while web is not ready yet, and its log says why', async () => {
    await using house = await startHouse({ worker: { exits: { code: 127 }, lines: ['no such file'] } }, { probe: silent });
    await expect(house.instances.ensure(setOf(house), PLACEMENT)).rejects.toMatchObject({
      code: 'crashed', message: 'Its process worker exited with code 127 (its command was not found) after 0.0 s.', details: { lastLines: ['no such file'] },
    });
    expect(await processesOf(house)).toEqual([]);
    expect([await textsOf(house, setOf(house), 'worker'), await house.textsOf(setOf(house))]).toEqual([['no such file'], ['web is up']]);
  });

  it.each([0, 1])('takes nobody’s place when one of them ends with code %d just after web is ready', async (code) => {
    await using house = await startHouse();
    const wanted = house.instances.ensure(setOf(house), { ...PLACEMENT, isSwap: true });
    wanted.catch(() => undefined);
    await house.clock.advance(900);
    expect(house.instances.state(setOf(house))).toBe('starting');
    const worker = (await house.engine.list()).find(({ process }) => process === 'worker');
    if (!worker) throw new Error('the worker does not run');
    house.engine.exit(worker.id, code, ['no database']);
    await expect(wanted).rejects.toMatchObject({ code: 'crashed', message: `Its process worker exited with code ${code} after 0.9 s.`, details: { lastLines: ['worker is up', 'no database'] } });
    expect([await processesOf(house), house.changes]).toEqual([[], ['starting', 'gone: crashed']]);
  });

  it('takes another one’s place a second after web is ready; one without processes, and one that somebody waits for, at once', async () => {
    await using house = await startHouse();
    const [swap, plain] = [{ ...PLACEMENT, isSwap: true }, house.release({}, 2)];
    await house.instances.ensure(setOf(house, 3), PLACEMENT);
    await house.instances.ensure(plain, swap);
    const wanted = house.instances.ensure(setOf(house), swap);
    await house.clock.advance(999);
    expect(house.instances.state(setOf(house))).toBe('starting');
    await house.clock.advance(1);
    await wanted;
    expect(house.instances.state(setOf(house))).toBe('running');
  });

  it('is not started when the engine refuses one of them, and leaves nothing', async () => {
    await using house = await startHouse({ mailer: { refused: 'no space left on device' } });
    await expect(house.instances.ensure(setOf(house), PLACEMENT)).rejects.toMatchObject({
      code: 'start_failed', message: 'Its process mailer: The engine could not start the container: no space left on device',
    });
    expect(await processesOf(house)).toEqual([]);
  });

  it('is given up while it starts, with all that was started', async () => {
    await using house = await startHouse({}, { probe: silent });
    const wanted = house.instances.ensure(setOf(house), PLACEMENT);
    wanted.catch(() => undefined);
    await until(async () => (await processesOf(house)).length === 3, 'they start');
    await house.instances.stop(setOf(house));
    await expect(wanted).rejects.toMatchObject({ code: 'preview_unavailable' });
    expect(await processesOf(house)).toEqual([]);
  });

  it('that was told to stop while the engine still starts one of them leaves none of them', async () => {
    await using house = await startHouse();
    const { opened, open } = gate();
    const release = setOf(house);
    house.instances.onChange(({ kind }) => { if (kind === 'starting') open(); });
    const letThrough = house.engine.hold('start');
    const wanted = house.instances.ensure(release, PLACEMENT);
    wanted.catch(() => undefined);
    await opened;
    const stopped = house.instances.stop(release);
    letThrough();
    await stopped;
    await expect(wanted).rejects.toMatchObject({ code: 'preview_unavailable' });
    expect(await processesOf(house)).toEqual([]);
  });

  it('stays one beside another: two releases have sets of their own', async () => {
    await using house = await startHouse();
    await house.instances.ensure(setOf(house, 1), PLACEMENT);
    await house.instances.ensure(setOf(house, 2), PLACEMENT);
    expect(await processesOf(house)).toEqual(ALL.flatMap((name) => [name, name]));
    await house.instances.stop(setOf(house, 1));
    expect((await house.engine.list()).map(({ release }) => release)).toEqual([2, 2, 2]);
  });

  it('is not taken for one that runs when a process ended between the last probe and that moment', async () => {
    const { opened, open } = gate();
    await using house = await startHouse({}, { probe: async () => { await opened; return { kind: 'answer', status: 200 }; } });
    // Its own wait for their ends says nothing.
    house.engine.hold('waitForExit');
    const wanted = house.instances.ensure(setOf(house), PLACEMENT);
    await until(async () => (await processesOf(house)).length === 3, 'all are started');
    const worker = (await house.engine.list()).find(({ process }) => process === 'worker');
    await house.engine.remove(worker?.id ?? '' as ContainerId);
    await house.clock.advance(0);
    open();
    await wanted;
    await until(() => house.changes.includes('cleared'), 'it is given up');
    expect([house.changes, await processesOf(house)]).toEqual([['starting', 'running', 'lost', 'gone', 'cleared'], []]);
  });
});
