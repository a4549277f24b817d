import { statfs } from 'node:fs/promises';
import { arch, availableParallelism, freemem, loadavg, platform, totalmem, uptime } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Clock } from './clock.js';
import type { Logger } from './log.js';
import { startLoop, type Loop } from './loop.js';
import type { LoopBook } from './loop-book.js';
import type { Part } from './part.js';
import type { Runtime } from './runtime.js';

/** What the machine and the process say of themselves. */
export interface MachineFacts {
  /** Processes that want to run, over 1, 5 and 15 minutes. */
  readonly load: readonly number[];
  readonly cpus: number;
  readonly memory: { readonly totalBytes: number; readonly freeBytes: number };
  readonly uptimeSeconds: number;
  /** Such as `linux x64`. */
  readonly platform: string;
  readonly node: string;
  readonly process: { readonly uptimeSeconds: number; readonly rssBytes: number; readonly heapUsedBytes: number; readonly heapTotalBytes: number; readonly externalBytes: number };
  /** How late timers fire, over the last whole minute; null in the first moments. */
  readonly eventLoop: EventLoopDelay | null;
  /** Of the file system with the state directory; null when it does not say. */
  readonly disk: DiskSpace | null;
}

/** `freeBytes` is what may still be written, which is less than what is not used where some is kept back. */
export interface DiskSpace { readonly freeBytes: number; readonly usedBytes: number; readonly totalBytes: number }

export interface EventLoopDelay { readonly p50Ms: number; readonly p99Ms: number; readonly maxMs: number }

export interface Machine extends Part {
  facts(): Promise<MachineFacts>;
  /** Of the file system with a folder; null when it does not say. */
  disk(folder: string): Promise<MachineFacts['disk']>;
}

export interface MachineDeps {
  readonly runtime: Pick<Runtime, 'version' | 'uptime' | 'memoryUsage'>;
  /** The state directory. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly loops: LoopBook;
}

const WINDOW_MS = 60_000;
const RESOLUTION_MS = 20;

export function createMachine({ runtime, folder, clock, log, loops }: MachineDeps): Machine {
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  let lastMinute: EventLoopDelay | null = null;
  let loop: Loop | undefined;

  const measured = (): EventLoopDelay | null => (delays.count === 0 ? null
    : { p50Ms: lateness(delays.percentile(50)), p99Ms: lateness(delays.percentile(99)), maxMs: lateness(delays.max) });

  const turn = () => {
    lastMinute = measured();
    delays.reset();
    return Promise.resolve();
  };

  return {
    start: () => {
      delays.enable();
      loop = startLoop(WINDOW_MS, turn, { clock, log, noted: { book: loops, name: 'measure the event loop' } });
      return Promise.resolve();
    },
    stop: async () => {
      delays.disable();
      await loop?.stop();
    },
    disk: diskOf,
    facts: async () => {
      const { rss, heapUsed, heapTotal, external } = runtime.memoryUsage();
      return {
        load: loadavg(), cpus: availableParallelism(), memory: { totalBytes: totalmem(), freeBytes: freemem() }, uptimeSeconds: Math.floor(uptime()),
        platform: `${platform()} ${arch()}`, node: runtime.version,
        process: { uptimeSeconds: Math.floor(runtime.uptime()), rssBytes: rss, heapUsedBytes: heapUsed, heapTotalBytes: heapTotal, externalBytes: external },
        eventLoop: lastMinute ?? measured(), disk: await diskOf(folder),
      };
    },
  };
}

/** The histogram has the time between two timers, which is as long as the resolution when nothing is late. */
const lateness = (nanoseconds: number): number => Math.max(0, Math.round((nanoseconds / 1e6 - RESOLUTION_MS) * 10) / 10);

async function diskOf(folder: string): Promise<MachineFacts['disk']> {
  try {
    const { bavail, bfree, blocks, bsize } = await statfs(folder);
    return { freeBytes: bavail * bsize, usedBytes: (blocks - bfree) * bsize, totalBytes: blocks * bsize };
  } catch {
    return null;
  }
}
