import { createJsonLines, errorOf, isObject } from './json-lines.js';

/** How a pull's stream ended. */
export type PullOutcome =
  | { readonly kind: 'pulled' }
  | { readonly kind: 'failed'; readonly message: string }
  /** It told neither of an end nor of an error: the connection was lost. */
  | { readonly kind: 'cut' };

/** Reads the engine's stream of a pull; a few numbers a layer are all that is kept. */
export interface PullOutput {
  /** Bytes as they come, cut anywhere. */
  push(chunk: Uint8Array): void;
  /** Call it once the stream ended; what comes after a failure never makes a success of it. */
  finish(): PullOutcome;
}

export interface PullOutputOptions {
  readonly onLine: (line: string) => void;
  /** Milliseconds that only grow. */
  readonly monotonic: () => number;
}

interface Layer { fetched: number; size: number; complete: boolean }

const SUMMARY_EVERY_MS = 2_000;
const MB = 1e6;
/** Said of each layer in turn, and of no use to anybody. */
const UNSAID = new Set(['Waiting', 'Verifying Checksum']);
const COMPLETE = new Set(['Pull complete', 'Already exists']);

export function createPullOutput({ onLine, monotonic }: PullOutputOptions): PullOutput {
  const layers = new Map<string, Layer>();
  let summedUpAt = monotonic();
  let failure: string | undefined;
  let ended = false;

  const layerOf = (id: string): Layer => {
    const known = layers.get(id) ?? { fetched: 0, size: 0, complete: false };
    layers.set(id, known);
    return known;
  };

  /** Bytes come many times a second: people see a line of them every two seconds. */
  const sumUp = () => {
    if (monotonic() - summedUpAt < SUMMARY_EVERY_MS) return;
    summedUpAt = monotonic();
    const all = [...layers.values()];
    const [fetched, size] = [sum(all.map((layer) => layer.fetched)), sum(all.map((layer) => layer.size))];
    onLine(`${megabytes(fetched)} of ${megabytes(size)} MB fetched, ${all.filter(({ complete }) => complete).length} of ${all.length} layers complete`);
  };

  const count = (id: string, status: string, { current, total }: Record<string, unknown>) => {
    const layer = layerOf(id);
    if (status === 'Downloading' && typeof current === 'number') {
      layer.fetched = current;
      if (typeof total === 'number' && total > 0) layer.size = total;
    }
    if (status === 'Download complete') layer.fetched = layer.size;
    if (COMPLETE.has(status)) Object.assign(layer, { fetched: layer.size, complete: true });
  };

  const read = (message: Record<string, unknown>) => {
    const { id, status, progressDetail } = message;
    const fault = errorOf(message);
    if (fault !== undefined) failure ??= fault.trim();
    if (typeof status !== 'string' || fault !== undefined) return;
    // The first line has the tag for its id; those of layers have details, even if there are none.
    if (typeof id === 'string' && isObject(progressDetail)) count(id, status, progressDetail);
    if (isObject(progressDetail) && progressDetail.current !== undefined) { sumUp(); return; }
    if (/^(?:Digest|Status): /.test(status)) ended = true;
    if (!UNSAID.has(status)) onLine(typeof id === 'string' ? `${id}: ${status}` : status);
  };

  const lines = createJsonLines({ onObject: read, onFault: (why) => { failure ??= `The engine's progress cannot be understood (${why}).`; } });
  return {
    push: lines.push,
    finish: () => {
      lines.finish();
      if (failure !== undefined) return { kind: 'failed', message: failure };
      return ended ? { kind: 'pulled' } : { kind: 'cut' };
    },
  };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);
const megabytes = (bytes: number): string => (bytes / MB).toFixed(1);
