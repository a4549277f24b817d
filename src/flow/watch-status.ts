import type { Builds } from '../build/builds.js';
import type { Build } from '../domain/build.js';
import type { Release } from '../domain/release.js';
import type { Instances } from '../run/instances.js';
import type { OpenPreview } from './open-preview.js';
import { keyOfPreview, type FoundPreview, type PreviewStatus } from './preview.js';
import type { ReadStatus } from './preview-status.js';
import { watchChanges } from './watch-changes.js';

export interface WatchStatusDeps {
  readonly readStatus: ReadStatus;
  readonly builds: Pick<Builds, 'onChange'>;
  readonly instances: Pick<Instances, 'onChange'>;
  readonly openPreview: Pick<OpenPreview, 'onChange'>;
}

/**
 * The status now and after each change, until the signal aborts. However many watch a preview, it is read once for each
 * change, and not for what happens to other previews.
 *
 * @throws what reading it threw, to all who watch it then
 */
export type WatchStatus = (preview: FoundPreview, signal: AbortSignal) => AsyncGenerator<PreviewStatus>;

/** A preview that somebody watches. */
interface Watched {
  /** Undefined while a change is not read yet. */
  latest: PreviewStatus | undefined;
  fault: { readonly error: unknown } | undefined;
  readonly viewers: Set<() => void>;
  /** Aborts when the last viewer has gone. */
  readonly over: AbortController;
}

export function createWatchStatus(deps: WatchStatusDeps): WatchStatus {
  const watched = new Map<string, Watched>();

  const forget = (key: string, entry: Watched) => { if (watched.get(key) === entry) watched.delete(key); };

  const begin = (preview: FoundPreview): Watched => {
    const key = keyOfPreview(preview);
    const entry: Watched = { latest: undefined, fault: undefined, viewers: new Set(), over: new AbortController() };
    watched.set(key, entry);
    const tell = () => { for (const viewer of [...entry.viewers]) viewer(); };
    readOnChange(preview, { entry, tell }, deps)
      .catch((error: unknown) => { entry.fault = { error }; tell(); })
      .finally(() => { forget(key, entry); });
    return entry;
  };

  return async function* watchStatus(preview, signal) {
    const key = keyOfPreview(preview);
    const entry = watched.get(key) ?? begin(preview);
    const join = (notify: () => void) => {
      entry.viewers.add(notify);
      return () => {
        entry.viewers.delete(notify);
        if (entry.viewers.size > 0) return;
        forget(key, entry);
        entry.over.abort();
      };
    };
    let seen: PreviewStatus | undefined;
    for await (const _ of watchChanges([join], signal)) {
      if (entry.fault) throw entry.fault.error;
      if (entry.latest && entry.latest !== seen) yield (seen = entry.latest);
    }
  };
}

/** One read under way and one to follow at most; what changed during a read is read before anybody is told. */
async function readOnChange(preview: FoundPreview, { entry, tell }: { entry: Watched; tell: () => void }, deps: WatchStatusDeps): Promise<void> {
  const { builds, instances, openPreview, readStatus } = deps;
  const { project: { name }, label } = preview;
  /** Undefined while a change is not read yet: what matters then is not known. */
  let known: PreviewStatus | undefined;
  let heard = 0;
  const when = (isConcerned: boolean, notify: () => void) => {
    if (!isConcerned) return;
    heard += 1;
    known = entry.latest = undefined;
    notify();
  };
  const changes = watchChanges([
    (notify) => builds.onChange((build) => { when(build.project === name && concernsBuild(preview, known, build), notify); }),
    (notify) => instances.onChange((change) => {
      const release = change.kind === 'running' ? change.instance.release : change.release;
      when(release.project === name && concernsRelease(known, release), notify);
    }),
    (notify) => openPreview.onChange((opening) => { when(opening.project === name && opening.label === label, notify); }),
  ], entry.over.signal);
  for await (const _ of changes) {
    const before = heard;
    const status = await readStatus(preview);
    if (heard !== before) continue;
    known = entry.latest = status;
    tell();
  }
}

/** What is not known yet may be anybody's. A place in the queue depends on all builds before it. */
function concernsBuild({ commit }: FoundPreview, known: PreviewStatus | undefined, build: Build): boolean {
  if (known?.key === undefined || known.build?.status === 'queued') return true;
  return build.key === known.key || (commit !== null && build.commit === commit);
}

const concernsRelease = (known: PreviewStatus | undefined, release: Release): boolean =>
  known?.route === undefined || release.route === known.route.id;
