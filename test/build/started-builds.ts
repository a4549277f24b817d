import { Readable } from 'node:stream';
import { join } from 'node:path';
import { createBuilds, type BegunBuild, type Builds, type BuildsDeps } from '../../src/build/builds.js';
import { createBuildLogs, type BuildLogs } from '../../src/build/log.js';
import type { BuildWanted, OpenContext } from '../../src/build/wanted.js';
import type { Recipe } from '../../src/domain/build.js';
import { parseCommitHash, parseProjectName, type BuildId, type BuildKey, type InstanceId } from '../../src/domain/ids.js';
import { createBuildStore, type BuildStore } from '../../src/state/builds.js';
import { createImageStore, type ImageStore } from '../../src/state/images.js';
import type { BuildRequest } from '../../src/engine/port.js';
import { openTestDatabase } from '../support/database.js';
import { createFakeClock, type FakeClock } from '../support/fake-clock.js';
import { createFakeEngine, type FakeBuild, type FakeEngine } from '../support/fake-engine.js';
import type { FakeRegistry } from '../support/fake-registry.js';
import { createQuietLog } from '../support/quiet-log.js';
import { collect, until } from '../support/until.js';

export const PROJECT = parseProjectName('shop');
export const RECIPE: Recipe = { context: '.', dockerfile: 'Dockerfile', target: null, args: {}, platform: null, dependencies: {} };
export const MINUTE = 60_000;

export const keyOf = (n: number): BuildKey => String(n).padStart(64, '0') as BuildKey;
export const commitOf = (n: number) => parseCommitHash(String(n).padStart(40, '0'));
export const openContext: OpenContext = async () => ({ stream: Readable.from([Buffer.from('a tar')]), notes: [] });

/** What the key `n` needs, for a commit of the same number. */
export function wanted(n: number, other: Partial<BuildWanted> = {}): BuildWanted {
  return { project: PROJECT, commit: commitOf(n), key: keyOf(n), recipe: RECIPE, trigger: 'open', openContext, ...other };
}

export interface StartedBuilds extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly engine: FakeEngine;
  readonly store: BuildStore;
  readonly images: ImageStore;
  readonly logs: BuildLogs;
  readonly folder: string;
  readonly builds: Builds;
  /** Begins one and waits until the engine has it. */
  beginRunning(n: number): Promise<BegunBuild>;
  /** Lets a build that is held succeed. */
  finish(n: number): void;
  /** The texts of a build's log. */
  textsOf(id: BuildId): Promise<string[]>;
  /** Another server's builds over the same records, logs and engine. */
  another(): Builds;
}

export interface BuildsOptions {
  readonly limits?: Partial<BuildsDeps['limits']>;
  /** What each build does; default: it is held until `finish`. */
  readonly script?: (request: BuildRequest) => FakeBuild;
  /** What can be pulled. */
  readonly registry?: FakeRegistry;
}

/** The build stage over a real database, on a clock that stands. */
export async function startBuilds({ limits, script, registry }: BuildsOptions = {}): Promise<StartedBuilds> {
  const clock = createFakeClock();
  const database = await openTestDatabase(clock);
  const held = new Map<BuildKey, () => void>();
  const hold = ({ key }: BuildRequest): FakeBuild => ({ until: new Promise<void>((resolve) => { held.set(key, resolve); }) });
  const engine = createFakeEngine({ instance: 'abcdef01' as InstanceId, clock, builds: script ?? hold, ...(registry ? { registry } : {}) });
  const store = createBuildStore({ db: database.db, clock });
  const images = createImageStore({ db: database.db, clock });
  const logs = createBuildLogs({ folder: join(database.folder, 'builds'), clock });
  const all: Builds[] = [];
  const another = () => {
    const made = createBuilds({
      engine, store, images, logs, clock, log: createQuietLog(),
      limits: { concurrency: 2, perMinute: 1_000, queue: 100, timeoutMs: 20 * MINUTE, silenceMs: 10 * MINUTE, ...limits },
    });
    all.push(made);
    return made;
  };
  const builds = another();
  return {
    clock, engine, store, images, logs, folder: database.folder, builds, another,
    beginRunning: async (n) => {
      const before = engine.builds.length;
      const begun = await builds.begin(wanted(n));
      begun.result.catch(() => undefined);
      await until(() => engine.builds.length > before, `the build of ${n} runs`);
      await clock.advance(0);
      return begun;
    },
    finish: (n) => { held.get(keyOf(n))?.(); },
    textsOf: async (id) => (await collect(logs.read(id))).map(({ text }) => text),
    [Symbol.asyncDispose]: async () => {
      for (const each of all) await each.stop();
      await engine[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}
