import { z } from 'zod';
import type { BuildStatus } from '../domain/build.js';

/** The API's answers, as far as the command line looks at them; what else is in them `--json` shows. Where a field is left away it is null, empty or false. */

const STATUSES = ['queued', 'building', 'succeeded', 'reused', 'failed', 'cancelled', 'interrupted'] as const satisfies readonly BuildStatus[];

const text = z.string();
const textOrNull = z.string().nullable().default(null);
const countOrNull = z.number().nullable().default(null);
const failureOrNull = z.object({ code: text, message: text, lastLines: z.array(text).default([]) }).nullable().default(null);

export const BUILD = z.object({
  id: text, project: text, status: z.enum(STATUSES), commit: textOrNull, reference: textOrNull, key: textOrNull, image: textOrNull, reusedFrom: textOrNull,
  noCache: z.boolean().default(false), queuedAt: textOrNull, startedAt: textOrNull, finishedAt: textOrNull,
  error: failureOrNull,
});
export const BUILDS = z.array(BUILD);
export type BuildAnswer = z.infer<typeof BUILD>;

/** What `/api/status` says of one preview. */
export const PREVIEW = z.object({
  project: text, status: text, url: text, commit: textOrNull, reference: textOrNull, environment: textOrNull, release: textOrNull, restarts: countOrNull,
  build: z.object({ id: text, status: text }).nullable().default(null), lastError: failureOrNull,
});
export type PreviewAnswer = z.infer<typeof PREVIEW>;

export const STAGE = z.object({
  project: text, stage: text, url: text, status: text, release: textOrNull, commit: textOrNull, previous: textOrNull, restarts: countOrNull, lastError: failureOrNull,
});
export type StageAnswer = z.infer<typeof STAGE>;
export const STAGES = z.array(STAGE);

/** How a project is doing: its stages, and the previews that run. */
export const HEALTH = z.object({
  name: text, status: text, stages: STAGES,
  previews: z.array(z.object({ label: text, status: text, url: text, release: textOrNull, restarts: countOrNull, lastError: failureOrNull })),
});
export type HealthAnswer = z.infer<typeof HEALTH>;

export const PROJECTS = z.array(z.object({ name: text, url: text, stages: STAGES }));
export type ProjectAnswer = z.infer<typeof PROJECTS>[number];

export const RELEASE = z.object({ id: text, createdAt: text, by: text, reason: text, commit: textOrNull, version: textOrNull, rollbackOf: textOrNull, parent: textOrNull, route: textOrNull });
export const RELEASES = z.array(RELEASE);
export type ReleaseAnswer = z.infer<typeof RELEASE>;

/** A route that serves another release than before. */
export const MOVED = z.object({ project: text, route: text, url: text, ms: z.number(), release: RELEASE });
export type MovedAnswer = z.infer<typeof MOVED>;

export const SETTINGS = z.object({ scope: text, settings: z.array(z.object({ name: text, value: textOrNull, digest: textOrNull, at: text, by: text })) });
export type SettingsAnswer = z.infer<typeof SETTINGS>;

export const CHANGED = z.object({
  changed: z.boolean(), release: textOrNull, releases: z.array(z.object({ route: text, release: textOrNull, error: failureOrNull })).default([]),
});
export type ChangedAnswer = z.infer<typeof CHANGED>;

const TIP = z.object({ branch: textOrNull, hash: textOrNull, author: textOrNull, message: textOrNull }).nullable().default(null);
export const UPDATE = z.object({ from: TIP, to: TIP, build: z.object({ id: text, status: text }).nullable().default(null) });
export type UpdateAnswer = z.infer<typeof UPDATE>;

export const DIFF = z.object({ against: text, added: z.array(text), removed: z.array(text), changed: z.array(text) });
export type DiffAnswer = z.infer<typeof DIFF>;

export const COUNT = z.object({ count: z.number() });

const gcImage = z.object({ project: text, image: text, bytes: z.number(), lastUsedAt: textOrNull, why: text });

/** What is about to go and why; shares from 0 to 1. */
export const GC = z.object({
  marks: z.array(z.object({ name: text, now: countOrNull, most: z.number(), over: z.boolean() })),
  previews: z.array(z.object({
    project: text, label: text, release: text, status: text, idleSeconds: countOrNull, next: z.enum(['sleep', 'stop']).nullable().default(null),
    inSeconds: countOrNull, why: textOrNull, turn: countOrNull,
  })),
  images: z.array(gcImage), kept: z.array(gcImage),
});
export type GcAnswer = z.infer<typeof GC>;

/** What goes wrong, in every answer that is not a success. */
const names = z.array(text).default([]);
export const FAILURE = z.object({ error: text, message: text, requestId: textOrNull, lastLines: names, nearest: names, projects: names, candidates: names });

/** What a one-off command printed, and how it ended. */
export const ONCE = z.union([
  z.object({ stream: z.enum(['stdout', 'stderr']), text }),
  /** The sentence says why where the code does not. */
  z.object({ exit: z.number(), message: textOrNull }),
  z.object({ error: text, message: text }),
]);
export type OnceAnswer = z.infer<typeof ONCE>;

export const LINE = z.object({ n: z.number(), at: text, text });
export type LineAnswer = z.infer<typeof LINE>;
