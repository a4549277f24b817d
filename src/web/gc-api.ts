import type { Request, RequestHandler } from 'express';
import { formatRelease } from '../domain/ids.js';
import { isOver, type Collected, type ImagePlan, type Mark } from '../flow/collect.js';
import { createCoalesce } from '../kernel/coalesce.js';
import type { RunningInstance } from '../run/instances.js';
import { scopeOf, type WebDeps } from './context.js';
import { BY, readBody } from './json-body.js';

/** What is about to go and why; times are ISO 8601, shares from 0 to 1. */
export interface GcAnswer {
  readonly marks: readonly (Mark & { readonly over: boolean })[];
  /** What runs or sleeps; who goes first when room is wanted has `turn` 1. */
  readonly previews: readonly PreviewRest[];
  /** Those that go now. */
  readonly images: readonly GcImage[];
  /** Those that stay, and why. */
  readonly kept: readonly GcImage[];
}

/** What becomes of a preview that nobody uses from now on. */
export interface PreviewRest {
  readonly project: string;
  readonly label: string;
  readonly release: string;
  readonly status: string;
  /** Null while something is in flight. */
  readonly idleSeconds: number | null;
  readonly next: 'sleep' | 'stop' | null;
  readonly inSeconds: number | null;
  /** Why nothing becomes of it; null when something does. */
  readonly why: string | null;
  /** Null when it does not go for others. */
  readonly turn: number | null;
}

export interface GcImage {
  readonly project: string;
  readonly image: string;
  readonly bytes: number;
  readonly lastUsedAt: string | null;
  readonly why: string;
}

/** `GET /api/gc`: what sleeps, stops and goes next, without doing it. */
export function explainGc(deps: WebDeps): RequestHandler {
  const shared = createCoalesce<'plan', Collected>();
  return async (req, res) => { res.json(await gcAnswer(deps, req, await shared.run('plan', deps.collect.plan))); };
}

/** `POST /api/gc`: collects now. @returns what went as `images`, and what is there then */
export function runGc(deps: WebDeps): RequestHandler {
  return async (req, res) => {
    readBody({ by: BY }, req);
    res.json(await gcAnswer(deps, req, await deps.collect.run()));
  };
}

/** The limits are the server's; what goes is told of the projects that are asked for. */
async function gcAnswer(deps: WebDeps, req: Request, { marks, images }: Collected): Promise<GcAnswer> {
  const own = new Set(scopeOf(deps, req).map(({ name }) => name));
  const next = await deps.room.candidates();
  const living = deps.instances.living().filter(({ release }) => own.has(release.project));
  const plans = images.filter(({ image }) => own.has(image.project.name));
  return {
    marks: marks.map((mark) => ({ ...mark, over: isOver(mark) })),
    previews: await Promise.all(living.map((instance) => restOf(instance, next, deps))),
    images: plans.filter(({ action }) => action === 'remove').map(imageOf),
    kept: plans.filter(({ action }) => action === 'keep').map(imageOf),
  };
}

async function restOf(instance: RunningInstance, candidates: readonly RunningInstance[], { idle, instances, routes, routing }: WebDeps): Promise<PreviewRest> {
  const { release, container } = instance;
  const plan = await idle.plan(instance);
  const idleMs = routing.idleMs(container);
  const turn = candidates.findIndex((other) => other.container === container);
  return {
    project: release.project, label: (await routes.find(release.route))?.label ?? '', release: formatRelease(release.number), status: instances.state(release) ?? 'stopped',
    idleSeconds: idleMs === null ? null : seconds(idleMs), next: plan.next, inSeconds: plan.next === null ? null : seconds(plan.inMs), why: plan.next === null ? plan.why : null,
    turn: turn < 0 ? null : turn + 1,
  };
}

const seconds = (ms: number): number => Math.round(ms / 1000);

const imageOf = ({ image, why }: ImagePlan): GcImage => ({
  project: image.project.name, image: image.id, bytes: image.bytes, lastUsedAt: image.lastUsedAt === null ? null : new Date(image.lastUsedAt).toISOString(), why,
});
