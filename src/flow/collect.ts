import { AppError } from '../domain/errors.js';
import type { Project } from '../domain/project.js';
import type { ContainerEngine } from '../engine/port.js';
import type { Clock } from '../kernel/clock.js';
import type { Logger } from '../kernel/log.js';
import { startLoop, type Loop } from '../kernel/loop.js';
import type { LoopBook } from '../kernel/loop-book.js';
import type { Machine } from '../kernel/machine.js';
import type { Part } from '../kernel/part.js';
import { createTurns } from '../kernel/turns.js';
import type { Room } from '../run/room.js';
import type { ImageStore } from '../state/images.js';
import type { ListedImage, ListImages } from './list-images.js';
import type { NeededImages } from './needed-images.js';
import type { RemoveImage } from './remove-image.js';

export interface CollectDeps {
  readonly projects: readonly Project[];
  readonly machine: Pick<Machine, 'facts' | 'disk'>;
  readonly engine: Pick<ContainerEngine, 'describe'>;
  readonly images: Pick<ImageStore, 'list'>;
  readonly room: Pick<Room, 'relieve' | 'count'>;
  readonly listImages: ListImages;
  readonly neededImages: Pick<NeededImages, 'withoutRoom'>;
  readonly removeImage: RemoveImage;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly log: Logger;
  /** Where its loops are entered. */
  readonly loops?: LoopBook;
}

/** How much may be there. */
export interface Limits {
  readonly running: number;
  readonly images: number;
  /** Shares of what the machine has, from 0 to 1. */
  readonly memory: number;
  readonly disk: number;
}

/** Something that has a limit; shares from 0 to 1, null when nobody can tell. */
export interface Mark {
  readonly name: 'containers' | 'images' | 'memory' | 'disk';
  readonly now: number | null;
  readonly most: number;
}

export const isOver = ({ now, most }: Mark): boolean => now !== null && now > most;

/** What would be done with an image now. */
export interface ImagePlan {
  readonly image: ListedImage;
  readonly action: 'remove' | 'keep';
  readonly why: string;
}

/** Keeps what is there within its limits: whoever was used least recently goes, and its URL brings it back. */
export interface Collect extends Part {
  marks(): Promise<readonly Mark[]>;
  /** What would be done with images now, those that go first in front. @throws AppError of the engine */
  plan(): Promise<readonly ImagePlan[]>;
  /** Does it now. @returns what was removed. @throws AppError of the engine */
  run(): Promise<readonly ImagePlan[]>;
}

const IMAGES_EVERY_MS = 60_000;
const MEMORY_EVERY_MS = 10_000;

export function createCollect(deps: CollectDeps): Collect {
  const { projects, machine, engine, images, room, listImages, neededImages, removeImage, limits, clock, log, loops } = deps;
  const running: Loop[] = [];
  const turns = createTurns<'images'>();

  /** The fullest of the file systems that fill: the engine's own may be another one than that of the records. */
  const diskMark = async (): Promise<Mark> => {
    const root = await engine.describe().then(({ rootDir }) => rootDir, () => null);
    const disks = [(await machine.facts()).disk, root === null ? null : await machine.disk(root)];
    const shares = disks.flatMap((disk) => (disk && disk.totalBytes > 0 ? [disk.usedBytes / (disk.usedBytes + disk.freeBytes)] : []));
    return { name: 'disk', now: shares.length === 0 ? null : Math.max(...shares), most: limits.disk };
  };
  const memoryMark = async (): Promise<Mark> => {
    const { memory } = await machine.facts();
    return { name: 'memory', now: 1 - memory.freeBytes / memory.totalBytes, most: limits.memory };
  };
  const imagesMark = (listed: readonly ListedImage[]): Mark => ({ name: 'images', now: listed.length, most: limits.images });

  /** Oldest first; a newest one whose day of use nobody remembers counts from when it was made. */
  const listed = async () => [...await listImages(projects)].reverse();

  const planOf = async (all: readonly ListedImage[], disk: Mark): Promise<ImagePlan[]> => {
    let tooMany = Math.max(0, all.length - limits.images);
    const plans: ImagePlan[] = [];
    for (const image of all) {
      const kept = image.kept ?? await neededImages.withoutRoom(image.project, image.id);
      const why = tooMany > 0 ? `more than ${limits.images} images, and nobody used it for longest` : isOver(disk) ? 'the disk is too full' : null;
      if (kept === null && tooMany > 0) tooMany -= 1;
      plans.push({ image, action: kept === null && why !== null ? 'remove' : 'keep', why: kept ?? why ?? 'there is room' });
    }
    return [...plans.filter(({ action }) => action === 'remove'), ...plans.filter(({ action }) => action === 'keep')];
  };

  /** @returns whether it went: somebody may need it by now, or have removed it */
  const remove = async ({ image, why }: ImagePlan): Promise<boolean> => {
    try {
      await removeImage([image.project], image.id, { withOlder: false });
      log.info('image removed to make room', { project: image.project.name, image: image.id, reason: why });
      return true;
    } catch (error) {
      if (!(error instanceof AppError) || (error.code !== 'unknown_image' && error.code !== 'image_in_use')) throw error;
      return false;
    }
  };

  const run = async (): Promise<readonly ImagePlan[]> => {
    const all = await listed();
    const removed: ImagePlan[] = [];
    for (const plan of await planOf(all, await diskMark())) {
      const isWanted = plan.action === 'remove' && (all.length - removed.length > limits.images || isOver(await diskMark()));
      if (isWanted && await remove(plan)) removed.push(plan);
    }
    return removed;
  };

  /** From the records, which cost nothing to ask. */
  const isDue = async (): Promise<boolean> => {
    const known = await Promise.all(projects.map(async ({ name }) => (await images.list(name)).length));
    return known.reduce((sum, count) => sum + count, 0) > limits.images || isOver(await diskMark());
  };

  const loop = (name: string, ms: number, step: () => Promise<void>) => { running.push(startLoop(ms, step, { clock, log, noted: loops && { book: loops, name } })); };

  return {
    marks: async () => [{ name: 'containers', now: room.count, most: limits.running }, imagesMark(await listImages(projects)), await memoryMark(), await diskMark()],
    plan: async () => planOf(await listed(), await diskMark()),
    run: () => turns.take('images', run),
    start: () => {
      loop('collect images', IMAGES_EVERY_MS, async () => { if (await isDue()) await turns.take('images', run); });
      loop('watch the memory', MEMORY_EVERY_MS, async () => { if (isOver(await memoryMark())) await room.relieve('the machine’s memory is nearly full'); });
      return Promise.resolve();
    },
    stop: async () => { await Promise.all(running.splice(0).map((each) => each.stop())); },
  };
}
