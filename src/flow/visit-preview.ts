import type { BuildLogs } from '../build/log.js';
import { AppError, isPassing, toAppError, type ErrorCode } from '../domain/errors.js';
import type { BuildId } from '../domain/ids.js';
import { formatRelease } from '../domain/ids.js';
import type { HostReader } from '../domain/hosts.js';
import type { Project } from '../domain/project.js';
import type { PreviewName } from '../domain/preview-name.js';
import { formatLabel } from '../domain/preview-name.js';
import type { Urls } from '../domain/urls.js';
import type { Clock } from '../kernel/clock.js';
import { createCoalesce, type Coalesce } from '../kernel/coalesce.js';
import type { Visit, Visits, VisitView } from '../serve/visits.js';
import type { PageLink } from '../serve/waiting-models.js';
import type { Source } from '../source/source.js';
import type { FindPreview } from './find-preview.js';
import type { FindProject } from './find-project.js';
import type { OpenPreview } from './open-preview.js';
import type { FoundPreview, PreviewStatus } from './preview.js';
import type { ReadStatus } from './preview-status.js';
import type { WatchStatus } from './watch-status.js';

export interface VisitPreviewDeps {
  readonly findPreview: FindPreview;
  readonly findProject: FindProject;
  readonly hosts: Pick<HostReader, 'hostsOf'>;
  readonly openPreview: OpenPreview;
  readonly readStatus: ReadStatus;
  readonly watchStatus: WatchStatus;
  readonly buildLogs: Pick<BuildLogs, 'follow' | 'read'>;
  readonly sources: ReadonlyMap<Project['name'], Source>;
  readonly urls: Urls;
  readonly clock: Clock;
}

const SHOWN_LINES = 40;
const OF_THE_BUILD: ReadonlySet<ErrorCode> = new Set([
  'build_failed', 'build_timeout', 'build_cancelled', 'build_interrupted', 'pull_failed', 'image_not_found', 'image_not_allowed', 'registry_unreachable', 'registry_refused',
]);

/** What happens when somebody looks at a preview: find it, open it, and tell them meanwhile. */
export function createVisitPreview(deps: VisitPreviewDeps): Visits {
  const lastLines = createCoalesce<BuildId, readonly string[]>();
  const views = new WeakMap<PreviewStatus, Promise<VisitView>>();
  /** Made once for all who share a status. */
  const viewOf = (status: PreviewStatus): Promise<VisitView> => {
    const view = views.get(status) ?? makeView(status, deps);
    views.set(status, view);
    return view;
  };
  return {
    homes: async (name) => (await deps.findProject.findNamed(name)).flatMap((project) => deps.hosts.hostsOf(project)[0] ?? []),
    find: async (project: Project, name: PreviewName): Promise<Visit> => {
      const preview = await deps.findPreview.find({ project, name });
      return {
        label: preview.label,
        open: () => openWithLastLines(preview, lastLines, deps),
        view: async () => viewOf(await deps.readStatus(preview)),
        watch: async function* (signal) {
          for await (const status of deps.watchStatus(preview, signal)) yield await viewOf(status);
        },
        lines: (build: BuildId, after: number, signal: AbortSignal) => deps.buildLogs.follow(build, after, signal),
      };
    },
  };
}

async function openWithLastLines(preview: FoundPreview, shared: Coalesce<BuildId, readonly string[]>, { openPreview, readStatus, buildLogs }: VisitPreviewDeps): Promise<void> {
  try {
    await openPreview.open(preview, { trigger: 'open' });
  } catch (thrown) {
    const error = toAppError(thrown);
    const build = OF_THE_BUILD.has(error.code) ? (await readStatus(preview)).build : undefined;
    if (!build) throw error;
    const lastLines = await shared.run(build.id, () => readLastLines(build.id, buildLogs));
    throw new AppError(error.code, error.message, { cause: error, details: { ...error.details, lastLines } });
  }
}

async function readLastLines(build: BuildId, buildLogs: Pick<BuildLogs, 'read'>): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const { text } of buildLogs.read(build)) {
    lines.push(text);
    if (lines.length > SHOWN_LINES) lines.shift();
  }
  return lines;
}

/** It does not run what is wanted, and the last attempt did not fail for a reason that lasts: that one needs a person. */
function isWorthOpening({ preview, state, release, tried, build, lastError }: PreviewStatus): boolean {
  if (state !== 'running' && state !== 'error') return true;
  if (state === 'running' && release?.commit === preview.commit) return false;
  // While an old release runs, the route's last error may be about another commit than the one that is wanted now.
  const noted = state === 'error' || tried?.commit === preview.commit ? lastError : null;
  const failure = noted?.code ?? build?.error?.code;
  return failure === undefined ? state !== 'error' : isPassing(failure);
}

async function makeView(status: PreviewStatus, deps: VisitPreviewDeps): Promise<VisitView> {
  const { preview, build, place, release } = status;
  const { urls, openPreview, clock, sources } = deps;
  const { project, label, commit, branch, environment } = preview;
  const [projectHost = urls.serverHost] = openPreview.hostsOf(preview).map((host) => host.slice(label.length + 1));
  const control = (path: string) => urls.control(projectHost, path);
  const described = commit === null ? undefined : await sources.get(project.name)?.describe(commit).catch(() => undefined);
  const buildUrl = build ? control(`/builds/${build.id}`) : null;
  const since = openPreview.openingSince(project.name, label);
  return {
    subject: { project: project.name, branch, commit, image: preview.kind === 'image' ? preview.subject : null, subject: described?.subject ?? null, environment: preview.kind === 'stage' ? preview.subject : environment },
    waiting: {
      state: status.state, queuePosition: place && place.position > 0 ? place.position : null, etaSeconds: place?.etaSeconds ?? null,
      buildUrl, logUrl: build ? control(`/api/builds/${build.id}/log`) : null,
    },
    build: build?.id ?? null,
    isWorthOpening: isWorthOpening(status),
    release: release ? formatRelease(release.number) : null,
    elapsedSeconds: since === undefined ? 0 : Math.max(0, Math.round((clock.now() - since) / 1_000)),
    previous: release && release.commit !== commit ? previousLink(status, projectHost, urls) : null,
    links: (error): PageLink[] => [
      ...(buildUrl !== null && OF_THE_BUILD.has(error.code) ? [{ text: preview.kind === 'image' ? 'Log of the pull' : 'Build log', url: buildUrl }] : []),
      { text: 'Application log and restart', url: control(`/previews/${label}`) },
      { text: `All of ${project.name}`, url: control('/') },
    ],
  };
}

/** A branch's old release can be looked at on its commit's own host while the new one is made. */
function previousLink({ release, preview }: PreviewStatus, projectHost: string, urls: Urls): PageLink | null {
  const hash = release?.commit ?? null;
  if (!release || hash === null) return null;
  const label = formatLabel({ kind: 'commit', hash, environment: preview.environment });
  return { text: formatRelease(release.number), url: urls.preview(label, projectHost) };
}
