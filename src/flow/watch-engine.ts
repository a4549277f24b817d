import type { ContainerId, ImageId } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import type { ContainerEngine, EngineEvent } from '../engine/port.js';
import { createBackground } from '../kernel/background.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { startLoop } from '../kernel/loop.js';
import type { LoopBook } from '../kernel/loop-book.js';
import type { Part } from '../kernel/part.js';
import { membersOf } from '../run/instance.js';
import type { Instances } from '../run/instances.js';
import type { ImageStore } from '../state/images.js';
import { settlePause } from './settle-pause.js';

export interface WatchEngineDeps {
  readonly projects: readonly Project[];
  readonly engine: Pick<ContainerEngine, 'watch' | 'image' | 'inspect' | 'resume'>;
  readonly instances: Pick<Instances, 'lost' | 'living' | 'settled' | 'state' | 'wake'>;
  readonly images: Pick<ImageStore, 'forget' | 'list'>;
  /** Compares what runs with what the engine has. */
  readonly adoptRunning: () => Promise<void>;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where its loop is entered. */
  readonly loops?: LoopBook;
}

/** Events say what happens; this is for what they might not have said. */
const RECONCILE_MS = 5 * 60_000;

/** Keeps memory and records in step with what others do to the engine's containers, images and networks. */
export function createWatchEngine({ projects, engine, instances, images, adoptRunning, clock, log, loops }: WatchEngineDeps): Part {
  const stopping = new AbortController();
  const background = createBackground();
  const doubtful = new Set<ImageId>();
  let checking = false;
  const endings: (() => Promise<void>)[] = [];

  /** Nothing that an event causes may keep the next event waiting. */
  const begin = (what: string, work: Promise<void>) => {
    void background.begin(work, (error) => { if (!stopping.signal.aborted) log.warn(what, { error }); });
  };

  const checkImage = async (id: ImageId) => {
    // Who only lost one of its names is still there.
    if (await engine.image(id) !== undefined) return;
    await images.forget(id);
    log.debug('image gone', { image: id });
  };

  /** One after the other, each once, however many are named: a prune names hundreds. */
  const checkImages = async () => {
    if (checking) return;
    checking = true;
    try {
      for (const id of doubtful) {
        if (stopping.signal.aborted) return;
        doubtful.delete(id);
        await checkImage(id).catch((error: unknown) => { doubtful.add(id); throw error; });
      }
    } finally {
      checking = false;
    }
  };

  let comparing: Promise<void> | undefined;
  let isStale = false;
  /** Whoever asks while one comparison is under way gets another one after it. */
  const compare = async (): Promise<void> => {
    isStale = true;
    await (comparing ??= compareWhileStale().finally(() => { comparing = undefined; }));
  };
  const compareWhileStale = async () => {
    while (isStale && !stopping.signal.aborted) {
      isStale = false;
      await adoptRunning();
      for (const { name } of projects) for (const { id } of await images.list(name)) doubtful.add(id);
      await checkImages();
    }
  };

  const notePause = async ({ container, kind }: { readonly container: ContainerId; readonly kind: 'container-paused' | 'container-resumed' }) => {
    const instance = instances.living().find((each) => membersOf(each).some((member) => member.container === container));
    if (!instance) return;
    await instances.settled(instance.release);
    // It is as it should be.
    if ((kind === 'container-paused') === (instances.state(instance.release) === 'sleeping')) return;
    await settlePause(instance, { engine, instances });
  };

  const hear = (event: EngineEvent) => {
    switch (event.kind) {
      case 'gap': begin('not compared with the engine', compare()); return;
      case 'container-lost': begin('lost container not given up', instances.lost(event.container, event.byHand)); return;
      case 'container-paused': case 'container-resumed': begin('not seen to a pause', notePause(event)); return;
      case 'image-removed': doubtful.add(event.image); begin('image not looked for', checkImages()); return;
      case 'network-removed': log.info('network removed, the next start makes it again', { project: event.project });
    }
  };

  const listen = async () => { for await (const event of engine.watch(stopping.signal)) hear(event); };

  return {
    start: () => {
      const listening = listen().catch((error: unknown) => { log.error('engine events not heard any more', { error }); });
      let isFirst = true;
      // The first thing that is heard is a gap: what it finds need not be looked for twice.
      const step = async () => { if (!isFirst) await compare(); isFirst = false; };
      const loop = startLoop(RECONCILE_MS, step, { clock, log, noted: loops && { book: loops, name: 'compare with the engine' } });
      endings.push(loop.stop, () => listening);
      return Promise.resolve();
    },
    stop: async () => {
      stopping.abort();
      for (const end of endings.splice(0)) await end();
      await background.settled();
    },
  };
}
