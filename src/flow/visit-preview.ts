import type { Builds } from '../build/builds.js';
import type { BuildLogs } from '../build/log.js';
import { AppError, toAppError, type ErrorCode } from '../domain/errors.js';
import type { BuildId } from '../domain/ids.js';
import { formatRelease } from '../domain/ids.js';
import type { HostReader } from '../domain/hosts.js';
import type { Project } from '../domain/project.js';
import type { PreviewName } from '../domain/preview-name.js';
import { formatLabel } from '../domain/preview-name.js';
import type { Urls } from '../domain/urls.js';
import type { Clock } from '../kernel/clock.js';
import type { Instances } from '../run/instances.js';
import type { Visit, Visits, VisitView } from '../serve/visits.js';
import type { PageLink } from '../serve/waiting-models.js';
import type { Source } from '../source/source.js';
import type { FindPreview } from './find-preview.js';
import type { FindProject } from './find-project.js';
import type { OpenPreview } from './open-preview.js';
import type { FoundPreview, PreviewStatus } from './preview.js';
import type { ReadStatus } from './preview-status.js';
import { watchChanges } from './watch-changes.js';

export interface VisitPreviewDeps {
  readonly findPreview: FindPreview;
  readonly findProject: FindProject;
  readonly hosts: Pick<HostReader, 'hostsOf'>;
  readonly openPreview: OpenPreview;
  readonly readStatus: ReadStatus;
  readonly builds: Pick<Builds, 'onChange'>;
  readonly instances: Pick<Instances, 'onChange'>;
  readonly buildLogs: Pick<BuildLogs, 'follow' | 'read'>;
  readonly sources: ReadonlyMap<Project['name'], Source>;
  readonly urls: Urls;
  readonly clock: Clock;
}

const SHOWN_LINES = 40;
const OF_THE_BUILD: ReadonlySet<ErrorCode> = new Set([
  'build_failed', 'build_timeout', 'build_cancelled', 'build_interrupted', 'pull_failed', 'image_not_found', 'image_not_allowed', 'registry_unreachable',
]);

/** What happens when somebody looks at a preview: find it, open it, and tell them meanwhile. */
export function createVisitPreview(deps: VisitPreviewDeps): Visits {
  return {
    homes: async (name) => (await deps.findProject.findNamed(name)).flatMap((project) => deps.hosts.hostsOf(project)[0] ?? []),
    find: async (project: Project, name: PreviewName): Promise<Visit> => {
      const preview = await deps.findPreview.find({ project, name });
      return {
        label: preview.label,
        open: () => openWithLastLines(preview, deps),
        view: async () => viewOf(await deps.readStatus(preview), deps),
        watch: async function* (signal) {
          for await (const status of watchStatus(preview, deps, signal)) yield await viewOf(status, deps);
        },
        lines: (build: BuildId, after: number, signal: AbortSignal) => deps.buildLogs.follow(build, after, signal),
      };
    },
  };
}

async function openWithLastLines(preview: FoundPreview, { openPreview, readStatus, buildLogs }: VisitPreviewDeps): Promise<void> {
  try {
    await openPreview.open(preview, { trigger: 'open' });
  } catch (thrown) {
    const error = toAppError(thrown);
    const build = OF_THE_BUILD.has(error.code) ? (await readStatus(preview)).build : undefined;
    if (!build) throw error;
    const lastLines: string[] = [];
    for await (const { text } of buildLogs.read(build.id)) {
      lastLines.push(text);
      if (lastLines.length > SHOWN_LINES) lastLines.shift();
    }
    throw new AppError(error.code, error.message, { cause: error, details: { ...error.details, lastLines } });
  }
}

type WatchStatusDeps = Pick<VisitPreviewDeps, 'readStatus' | 'builds' | 'instances' | 'openPreview'>;

/** The status now and after each change of a build or an instance of the project. */
export async function* watchStatus(preview: FoundPreview, deps: WatchStatusDeps, signal: AbortSignal): AsyncGenerator<PreviewStatus> {
  const { readStatus, builds, instances, openPreview } = deps;
  const { name } = preview.project;
  const changes = watchChanges([
    (notify) => builds.onChange((build) => { if (build.project === name) notify(); }),
    (notify) => instances.onChange((change) => { if ((change.kind === 'running' ? change.instance.release : change.release).project === name) notify(); }),
    (notify) => openPreview.onChange(({ project, label }) => { if (project === name && label === preview.label) notify(); }),
  ], signal);
  for await (const _ of changes) yield await readStatus(preview);
}

async function viewOf(status: PreviewStatus, deps: VisitPreviewDeps): Promise<VisitView> {
  const { preview, build, place, release } = status;
  const { urls, openPreview, clock, sources } = deps;
  const { project, label, commit, branch, environment } = preview;
  const [projectHost = urls.serverHost] = openPreview.hostsOf(preview).map((host) => host.slice(label.length + 1));
  const control = (path: string) => urls.control(projectHost, path);
  const described = commit === null ? undefined : await sources.get(project.name)?.describe(commit).catch(() => undefined);
  const buildUrl = build ? control(`/builds/${build.id}`) : null;
  const since = openPreview.openingSince(project.name, label);
  return {
    subject: { project: project.name, branch, commit, image: preview.kind === 'image' ? preview.subject : null, subject: described?.subject ?? null, environment },
    waiting: {
      state: status.state, queuePosition: place && place.position > 0 ? place.position : null, etaSeconds: place?.etaSeconds ?? null,
      buildUrl, logUrl: build ? control(`/api/builds/${build.id}/log`) : null,
    },
    build: build?.id ?? null,
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
