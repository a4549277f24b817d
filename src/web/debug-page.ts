import type { Request, RequestHandler } from 'express';
import { isPull, type Build } from '../domain/build.js';
import type { Bound, BoundName, EngineFacts, MirrorFacts, QueueFacts, ServerFacts } from '../flow/server-facts.js';
import type { LoopRecord } from '../kernel/loop-book.js';
import type { MachineFacts } from '../kernel/machine.js';
import { frameOfScope, linkTo, scopeOf, sendPage, wantsPage, type WebDeps } from './context.js';
import { formatBytes, formatDuration, repositoryLink, shortHash, toMoment, withoutCredentials, type Moment } from './format.js';
import type { DebugPage, LoopView, MirrorView, QueuedBuildView } from './maintainer-models.js';
import type { NamedValue } from './page-parts.js';
import { jsonUrlOf } from './paging.js';
import { readQuery } from './query.js';

interface Shown { readonly deps: WebDeps; readonly req: Request; readonly moment: (at: number) => Moment }

/** `GET /debug`: machine, engine, queue, bounds, loops, mirrors and failures; a page for people, JSON for programs. */
export function showDebug(deps: WebDeps): RequestHandler {
  return async (req, res) => {
    const facts = await deps.readServerFacts(scopeOf(deps, req));
    if (!wantsPage(req) || readQuery(req).get('format') === 'json') { res.json(answerOf(facts, deps.clock.now())); return; }
    const now = deps.clock.now();
    sendPage(deps, res, { name: 'debug', model: modelOf(facts, { deps, req, moment: (at) => toMoment(at, now) }) });
  };
}

function modelOf({ machine, engine, queue, bounds, failures, loops, mirrors }: ServerFacts, shown: Shown): DebugPage {
  const { deps, req, moment } = shown;
  return {
    frame: frameOfScope(deps, req, '/debug'), at: moment(deps.clock.now()), jsonUrl: jsonUrlOf(req), machine: machineFacts(machine), process: processFacts(machine),
    engine: { facts: engineFacts(engine), warnings: engine.description?.warnings ?? [], error: engine.error },
    protections: engine.protections.map(({ name, holds, detail }) => ({ name, detail, holds: holds === null ? 'unclear' : holds ? 'holds' : 'missing' })),
    queue: { facts: queueFacts(queue), builds: [...queue.building.map((build) => buildView(build, null, shown)), ...queue.waiting.map(({ build, position }) => buildView(build, position, shown))] },
    bounds: bounds.map(({ name, now, most }) => ({ name: BOUNDS[name], now: count(now), most: most === null ? 'no limit of its own' : count(most) })),
    failures: { count: failures.count, last: failures.last.map((each) => ({ ...each, at: moment(each.at) })) },
    loops: loops.map((loop) => loopView(loop, moment)), mirrors: mirrors.map((mirror) => mirrorView(mirror, moment)),
  };
}

const count = (number: number): string => number.toLocaleString('en');

const BOUNDS: Readonly<Record<BoundName, string>> = {
  connections: 'Connections', requestsInFlight: 'Requests in flight', requestsHeld: 'Requests held', eventStreams: 'Open event streams',
  containers: 'Containers, asleep or awake', buildsWaiting: 'Builds waiting', sessions: 'Browser sessions',
};

function machineFacts({ load, cpus, memory, disk, uptimeSeconds, platform }: MachineFacts): NamedValue[] {
  return [
    { name: 'Load over 1, 5, 15 min', value: load.map((each) => each.toFixed(2)).join(' · ') },
    { name: 'Processors', value: String(cpus) },
    { name: 'Memory free', value: part(memory.freeBytes, memory.totalBytes) },
    { name: 'Disk free', value: disk === null ? 'unknown' : part(disk.freeBytes, disk.totalBytes) },
    { name: 'Up for', value: formatDuration(uptimeSeconds * 1_000) },
    { name: 'System', value: platform },
  ];
}

const part = (some: number, all: number): string => `${formatBytes(some)} of ${formatBytes(all)} (${all === 0 ? 0 : Math.round((some / all) * 100)} %)`;

function processFacts({ node, eventLoop, ...machine }: MachineFacts): NamedValue[] {
  const { uptimeSeconds, rssBytes, heapUsedBytes, heapTotalBytes, externalBytes } = machine.process;
  return [
    { name: 'Node', value: node },
    { name: 'Up for', value: formatDuration(uptimeSeconds * 1_000) },
    { name: 'Memory', value: formatBytes(rssBytes) },
    { name: 'Heap', value: `${formatBytes(heapUsedBytes)} of ${formatBytes(heapTotalBytes)}` },
    { name: 'Buffers', value: formatBytes(externalBytes) },
    { name: 'Event loop late (p50 · p99 · most)', value: eventLoop === null ? 'not measured yet' : [eventLoop.p50Ms, eventLoop.p99Ms, eventLoop.maxMs].map((ms) => `${ms.toString()} ms`).join(' · ') },
  ];
}

function engineFacts({ description }: EngineFacts): NamedValue[] {
  if (description === null) return [];
  const { version, apiVersion, builder, storageDriver, address } = description;
  return [
    { name: 'Version', value: `${version} (API ${apiVersion})` }, { name: 'Builder', value: builder === 'buildkit' ? 'BuildKit' : 'classic' },
    { name: 'Storage driver', value: storageDriver }, { name: 'Address', value: address },
  ];
}

function queueFacts({ building, waiting, startedLastMinute, limits }: QueueFacts): NamedValue[] {
  return [
    { name: 'Building', value: `${building.length} of ${limits.concurrency}` },
    { name: 'Waiting', value: `${waiting.length} of ${limits.queue}` },
    { name: 'Started in the last minute', value: `${startedLastMinute} of ${limits.perMinute}` },
  ];
}

function buildView(build: Build, position: number | null, { deps, req }: Shown): QueuedBuildView {
  const project = deps.projects.find(({ name }) => name === build.project);
  const path = `/builds/${build.id}`;
  return {
    project: build.project, id: build.id, url: project ? linkTo(deps, req, { project, path }) : path, position, state: position === null ? 'building' : 'queued',
    source: build.commit === null ? (isPull(build.recipe) ? build.recipe.image : '') : shortHash(build.commit),
  };
}

function loopView({ name, project, periodMs, passes, failures, lastAt, lastMs, lastError }: LoopRecord, moment: Shown['moment']): LoopView {
  return {
    name: project === null ? name : `${name} ${project}`, period: formatDuration(periodMs), passes, failures, lastAt: lastAt === null ? null : moment(lastAt), took: lastMs === null ? null : lastMs < 1_000 ? `${Math.round(lastMs)} ms` : formatDuration(lastMs),
    lastError: lastError && { at: moment(lastError.at), message: withoutCredentials(lastError.message) },
  };
}

function mirrorView({ project, refreshedAt, branches, tags, fault }: MirrorFacts, moment: Shown['moment']): MirrorView {
  return {
    project: project.name, repository: repositoryLink(project.repository).text, branches, tags, refreshedAt: refreshedAt === null ? null : moment(refreshedAt),
    fault: fault && { message: withoutCredentials(fault.message), since: moment(fault.since) },
  };
}

const iso = (at: number): string => new Date(at).toISOString();
const isoOrNull = (at: number | null): string | null => (at === null ? null : iso(at));

/** What programs are told. Times are ISO 8601; of projects only what the page shows too, since their settings hold secrets. */
function answerOf({ machine, engine, queue, bounds, failures, loops, mirrors }: ServerFacts, now: number) {
  const build = ({ id, project, commit, queuedAt, startedAt }: Build) => ({ id, project, commit, queuedAt: iso(queuedAt), startedAt: isoOrNull(startedAt) });
  return {
    at: iso(now), machine, engine: { ...engine.description, error: engine.error, protections: engine.protections },
    queue: { building: queue.building.map(build), waiting: queue.waiting.map((each) => ({ ...build(each.build), position: each.position })), startedLastMinute: queue.startedLastMinute, limits: queue.limits },
    bounds: Object.fromEntries(bounds.map(({ name, now: count, most }: Bound) => [name, { now: count, most }])),
    failures: { count: failures.count, last: failures.last.map((each) => ({ ...each, at: iso(each.at) })) },
    loops: loops.map((loop) => ({ ...loop, lastAt: isoOrNull(loop.lastAt), lastError: loop.lastError && { at: iso(loop.lastError.at), message: withoutCredentials(loop.lastError.message) } })),
    mirrors: mirrors.map(({ project, refreshedAt, branches, tags, fault }) => ({
      project: project.name, repository: repositoryLink(project.repository).text, refreshedAt: isoOrNull(refreshedAt), branches, tags,
      fault: fault && { message: withoutCredentials(fault.message), since: iso(fault.since) },
    })),
  };
}
