import type { BuildStatus } from './build.js';

/** What the API says of a preview. An unhealthy running instance is `running` with a last error beside it. */
export type PreviewState =
  | 'pending' | 'building' | 'starting' | 'running' | 'sleeping' | 'stopping' | 'stopped' | 'error' | 'unknown';

export type InstanceState = 'starting' | 'running' | 'sleeping' | 'stopping';

/** What is known of a preview: build record, image, instance and the last attempt's failure. */
export interface PreviewFacts {
  /** The newest build of the wanted key; undefined when there was none. */
  readonly build: BuildStatus | undefined;
  /** Whether an image to start is there. */
  readonly image: boolean;
  readonly instance: InstanceState | undefined;
  /** Whether an attempt to open it is under way. */
  readonly opening: boolean;
  /** Whether the last attempt failed, at whatever stage. */
  readonly failed: boolean;
}

/** Derives the state from facts. What still serves wins over what failed; what is under way wins over what is there. */
export function deriveState({ build, image, instance, opening, failed }: PreviewFacts): PreviewState {
  if (instance === 'running' || instance === 'sleeping') return instance;
  if (instance === 'stopping' || instance === 'starting') return instance;
  if (build === 'queued') return 'pending';
  if (build === 'building') return 'building';
  if (opening) return image ? 'starting' : 'pending';
  if (failed) return 'error';
  if (image) return 'stopped';
  return build === undefined || build === 'succeeded' || build === 'reused' ? 'unknown' : 'error';
}

/** dserve's word for a state; `/status` keeps it for its users. */
export function statusWord(state: PreviewState): 'NotBuilt' | 'Building' | 'NeedsPriming' | 'Ready' | 'FAIL' {
  switch (state) {
    case 'pending': case 'building': return 'Building';
    case 'starting': case 'stopped': case 'stopping': return 'NeedsPriming';
    case 'running': case 'sleeping': return 'Ready';
    case 'error': return 'FAIL';
    case 'unknown': return 'NotBuilt';
  }
}
