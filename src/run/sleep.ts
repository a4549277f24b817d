import type { ContainerId } from '../domain/ids.js';
import type { Release } from '../domain/release.js';
import type { InstanceState } from '../domain/state.js';
import type { ContainerEngine } from '../engine/port.js';
import { createTurns } from '../kernel/turns.js';
import { membersOf, type InstanceChange, type ProcessContainer, type RunningInstance } from './instance.js';
import type { ReleaseName } from './logs.js';

/** Freezing and waking of instances, one after the other for each. */
export interface Sleep {
  /** Freezes what runs; nobody may send it anything by then. @returns whether it sleeps. @throws AppError of the engine, and it runs on */
  sleep(release: ReleaseName): Promise<boolean>;
  /** Lets what sleeps go on. @returns undefined when it neither sleeps nor runs. @throws AppError of the engine, and it sleeps on */
  wake(release: ReleaseName): Promise<RunningInstance | undefined>;
  /** Ends when neither is under way. */
  settled(release: ReleaseName): Promise<void>;
}

/** What is known of an instance; its state is changed here. */
export interface Resting {
  readonly release: Release;
  state: InstanceState;
  readonly instance: RunningInstance | undefined;
}

type Sleeper = Pick<ContainerEngine, 'pause' | 'resume'>;

export interface SleepDeps {
  readonly engine: Sleeper;
  readonly find: (release: ReleaseName) => Resting | undefined;
  /** Gives up an instance of which a container does not run any more. */
  readonly lost: (container: ContainerId, byHand: boolean) => Promise<void>;
  readonly publish: (change: InstanceChange) => void;
}

export function createSleep({ engine, find, lost, publish }: SleepDeps): Sleep {
  const turns = createTurns<string>();
  const inTurn = <T>({ project, number }: ReleaseName, work: () => Promise<T>) => turns.take(`${project}/${number}`, work);

  /** Unless it was lost or told to stop while that was waited for. */
  const goOn = (resting: Resting, woken = false): RunningInstance | undefined => {
    const { instance } = resting;
    if (resting.state !== 'sleeping' || !instance) return undefined;
    resting.state = 'running';
    publish({ kind: 'running', instance, woken });
    return instance;
  };

  /** All or none of its containers. One that is left half frozen sleeps: whoever wants it wakes it. */
  const freeze = async (resting: Resting, instance: RunningInstance): Promise<boolean> => {
    resting.state = 'sleeping';
    publish({ kind: 'sleeping', release: resting.release });
    const members = membersOf(instance);
    const results = await Promise.allSettled(members.map(({ container }) => engine.pause(container)));
    const failed = results.find((result) => result.status === 'rejected');
    const ended = members.find((_member, at) => isFalse(results[at]));
    if (!failed && !ended) return true;
    const resumed = await Promise.allSettled(members.map(({ container }) => engine.resume(container)));
    if (ended) { await lost(ended.container, false); return false; }
    const isFrozen = results.some((result, at) => result.status === 'fulfilled' && resumed[at]?.status !== 'fulfilled');
    if (!isFrozen) goOn(resting);
    throw failed?.reason;
  };

  const thaw = async (resting: Resting, instance: RunningInstance): Promise<RunningInstance | undefined> => {
    const ended = await resumeSet(membersOf(instance), engine);
    if (!ended) return goOn(resting, true);
    await lost(ended.container, false);
    return undefined;
  };

  return {
    sleep: (release) => inTurn(release, async () => {
      const resting = find(release);
      return resting?.state === 'running' && resting.instance ? freeze(resting, resting.instance) : false;
    }),
    wake: (release) => inTurn(release, async () => {
      const resting = find(release);
      if (resting?.state === 'sleeping' && resting.instance) return thaw(resting, resting.instance);
      return resting?.state === 'running' ? resting.instance : undefined;
    }),
    settled: (release) => inTurn(release, () => Promise.resolve()),
  };
}

const isFalse = (result: PromiseSettledResult<boolean> | undefined): boolean => result?.status === 'fulfilled' && !result.value;

/** @returns the member that does not run; undefined when all do */
async function resumeSet(members: readonly ProcessContainer[], engine: Sleeper): Promise<ProcessContainer | undefined> {
  const results = await Promise.all(members.map(({ container }) => engine.resume(container)));
  return members.find((_member, at) => results[at] === false);
}
