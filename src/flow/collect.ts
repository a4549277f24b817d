import { AppError } from '../domain/errors.js';
import type { ImageId } from '../domain/ids.js';
import type { Project } from '../domain/project.js';
import type { ContainerEngine } from '../engine/port.js';
import { createBackground } from '../kernel/background.js';
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

/** All images, those that go first in front, and how full it is with them. */
export interface Collected {
  readonly marks: readonly Mark[];
  readonly images: readonly ImagePlan[];
}

/** Keeps what is there within its limits: whoever was used least recently goes, and its URL brings it back. */
export interface Collect extends Part {
  /** What would be done with images now. @throws AppError of the engine */
  plan(): Promise<Collected>;
  /** Does it now. @returns what was removed and what is left. @throws AppError of the engine */
  run(): Promise<Collected>;
}

const IMAGES_EVERY_MS = 60_000;
const MEMORY_EVERY_MS = 10_000;
/** Whoever opened it may still read, and come back at once: it would only be built again. */
const GRACE_MS = 600_000;
/** Somebody between two clicks is not taken their preview. */
const LEAST_IDLE_MS = 30_000;
/** Longer than most applications take to end. */
const RELIEF_MS = 30_000;
/** Passes from one look at the engine's own list to the next; it costs an inspection of each image. */
const LOOK_EVERY = 10;
const A_MOMENT_AGO = 'it was used a moment ago';
const ROOM = 'there is room';

export function createCollect(deps: CollectDeps): Collect {
  const { projects, machine, engine, images, room, listImages, neededImages, removeImage, limits, clock, log, loops } = deps;
  const running: Loop[] = [];
  const background = createBackground();
  const turns = createTurns<'images'>();
  let passes = 0;
  let isStuck = false;
  let relievedUntil = 0;

  const findRoot = (): Promise<string | null> => engine.describe().then(({ rootDir }) => rootDir, () => null);

  /** The fullest of the file systems that fill: the engine's own may be another one than that of the records. */
  const diskMark = async (root: string | null): Promise<Mark> => {
    const disks = [(await machine.facts()).disk, root === null ? null : await machine.disk(root)];
    const shares = disks.flatMap((disk) => (disk && disk.totalBytes > 0 ? [disk.usedBytes / (disk.usedBytes + disk.freeBytes)] : []));
    return { name: 'disk', now: shares.length === 0 ? null : Math.max(...shares), most: limits.disk };
  };
  const memoryMark = async (): Promise<Mark> => {
    const { memory } = await machine.facts();
    return { name: 'memory', now: 1 - memory.freeBytes / memory.totalBytes, most: limits.memory };
  };
  const marksOf = async (count: number, disk: Mark): Promise<readonly Mark[]> =>
    [{ name: 'containers', now: room.count, most: limits.running }, { name: 'images', now: count, most: limits.images }, await memoryMark(), disk];

  /** Oldest first; a newest one whose day of use nobody remembers counts from when it was made. */
  const listed = async () => [...await listImages(projects)].reverse();
  const idsOf = (all: readonly ListedImage[]): ReadonlySet<ImageId> => new Set(all.map(({ id }) => id));

  /** A time that is yet to come is a clock's mistake. */
  const isFresh = (...times: readonly (number | null | undefined)[]): boolean =>
    times.some((at) => at !== null && at !== undefined && Math.abs(clock.now() - at) < GRACE_MS);

  const planOf = async (all: readonly ListedImage[], disk: Mark): Promise<ImagePlan[]> => {
    const there = idsOf(all);
    let tooMany = Math.max(0, all.length - limits.images);
    const plans: ImagePlan[] = [];
    for (const image of all) {
      const kept = image.kept ?? await neededImages.withoutRoom(image.project, { image: image.id, there }) ?? (isFresh(image.lastUsedAt, image.createdAt) ? A_MOMENT_AGO : null);
      const why = tooMany > 0 ? `more than ${limits.images} images, and nobody used it for longest` : isOver(disk) ? 'the disk is too full' : null;
      if (kept === null && tooMany > 0) tooMany -= 1;
      plans.push({ image, action: kept === null && why !== null ? 'remove' : 'keep', why: kept ?? why ?? ROOM });
    }
    return [...plans.filter(({ action }) => action === 'remove'), ...plans.filter(({ action }) => action === 'keep')];
  };

  /** Others went since the plan was made, one after the other, and somebody may have come. */
  const whyByNow = async ({ project, id: image }: ListedImage, there: ReadonlySet<ImageId>): Promise<string | null> =>
    await neededImages.withoutRoom(project, { image, there })
      ?? (isFresh((await images.list(project.name)).find(({ id }) => id === image)?.lastUsedAt) ? A_MOMENT_AGO : null);

  /** @returns why it stays after all; null when it is gone, whoever removed it */
  const remove = async ({ image, why }: ImagePlan, there: ReadonlySet<ImageId>): Promise<string | null> => {
    try {
      await removeImage([image.project], image.id, { keep: () => whyByNow(image, there) });
      log.info('image removed to make room', { project: image.project.name, image: image.id, reason: why });
      return null;
    } catch (error) {
      if (error instanceof AppError && error.code === 'unknown_image') return null;
      if (error instanceof AppError && error.code === 'image_in_use') return error.message;
      throw error;
    }
  };

  /** Said once, until there is room again: what fills the disk is something else, or a limit is too low. */
  const noteDisk = (disk: Mark, kept: number) => {
    if (isOver(disk) && !isStuck) log.warn('the disk is too full, and no image may go', { now: disk.now, most: disk.most, kept });
    isStuck = isOver(disk);
  };

  const run = async (): Promise<Collected> => {
    const all = await listed();
    const left = new Set(idsOf(all));
    const done: ImagePlan[] = [];
    const root = await findRoot();
    let disk = await diskMark(root);
    for (const plan of await planOf(all, disk)) {
      const isWanted = left.size > limits.images || isOver(disk);
      const kept = plan.action === 'keep' ? plan.why : isWanted ? await remove(plan, left) : ROOM;
      done.push(kept === null ? plan : { ...plan, action: 'keep', why: kept });
      if (kept !== null) continue;
      left.delete(plan.image.id);
      disk = await diskMark(root);
    }
    noteDisk(disk, left.size);
    return { marks: await marksOf(left.size, disk), images: done };
  };

  /**
   * From the records, which cost nothing to ask. Those of a state directory that was lost know none of the images that are
   * there, so the engine counts now and then.
   */
  const isDue = async (pass: number): Promise<boolean> => {
    const disk = await diskMark(await findRoot());
    if (!isOver(disk)) isStuck = false;
    const known = await Promise.all(projects.map(async ({ name }) => (await images.list(name)).length));
    return isOver(disk) || known.reduce((sum, count) => sum + count, 0) > limits.images || (pass % LOOK_EVERY === 0 && (await listed()).length > limits.images);
  };

  const loop = (name: string, ms: number, step: () => Promise<void>) => { running.push(startLoop(ms, step, { clock, log, noted: loops && { book: loops, name } })); };

  const collectImages = async () => {
    passes += 1;
    if (await isDue(passes)) await turns.take('images', run);
  };

  /** One at a time, since what goes frees its memory only at its end; but one that ends slowly does not hold up the next for long. */
  const watchMemory = async () => {
    if (clock.monotonic() < relievedUntil || !isOver(await memoryMark())) return;
    relievedUntil = clock.monotonic() + RELIEF_MS;
    const relief = room.relieve('the machine’s memory is nearly full', { leastIdleMs: LEAST_IDLE_MS }).finally(() => { relievedUntil = 0; });
    void background.begin(relief, (error) => { log.error('memory not relieved', { error }); });
  };

  return {
    plan: async () => {
      const [all, disk] = [await listed(), await diskMark(await findRoot())];
      return { marks: await marksOf(all.length, disk), images: await planOf(all, disk) };
    },
    run: () => turns.take('images', run),
    start: () => {
      loop('collect images', IMAGES_EVERY_MS, collectImages);
      loop('watch the memory', MEMORY_EVERY_MS, watchMemory);
      return Promise.resolve();
    },
    stop: async () => {
      await Promise.all(running.splice(0).map((each) => each.stop()));
      await background.settled();
    },
  };
}
